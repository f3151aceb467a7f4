#include "runtime/http/gateway.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <latch>
#include <stdexcept>
#include <thread>

namespace tayfa {
namespace {

TEST(reply, the_first_answer_wins) {
  std::vector<unsigned> sent;
  {
    reply r{[&sent](api::response a) { sent.push_back(a.status); }};
    r.send(api::refuse({errc::queue_full, {}}));
    r.send(api::refuse({errc::internal, {}}));
  }
  EXPECT_EQ(sent, std::vector{429U});
}

TEST(reply, an_unanswered_one_answers_by_itself) {
  std::vector<std::string> sent;
  {
    reply r{[&sent](api::response a) { sent.push_back(a.body); }};
  }
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_NE(sent[0].find(R"("code":"unavailable")"), std::string::npos);
}

/// Records what a tracking transport was given.
struct test_connection {
  std::vector<unsigned> sent;
  std::vector<receipt> receipts;
  std::shared_ptr<presence> client = std::make_shared<presence>();

  std::shared_ptr<reply> make() {
    return std::make_shared<reply>(
        [this](api::response a, receipt left) {
          sent.push_back(a.status);
          receipts.push_back(std::move(left));
        },
        client);
  }
};

TEST(reply, a_plain_transport_takes_answers_and_its_client_never_leaves) {
  std::vector<bool> left;
  int gone = 0;
  {
    reply r{[](api::response) {}};
    r.when_gone([&] { ++gone; });
    r.send(api::pinged(true), [&](bool l) { left.push_back(l); });
    r.send(api::pinged(true), [&](bool l) { left.push_back(l); });
  }
  EXPECT_EQ(left, (std::vector{true, false})) << "the second was not the answer";
  EXPECT_EQ(gone, 0);
}

TEST(reply, a_transport_that_fails_has_not_sent_anything) {
  std::vector<bool> left;
  reply r{[](api::response) { throw std::runtime_error{"broken"}; }};
  EXPECT_THROW(r.send(api::pinged(true), [&](bool l) { left.push_back(l); }), std::runtime_error);
  EXPECT_EQ(left, std::vector{false});
}

TEST(reply, the_line_says_what_became_of_the_answer) {
  for (const bool truth : {true, false}) {
    test_connection connection;
    std::vector<bool> left;
    connection.make()->send(api::pinged(true), [&](bool l) { left.push_back(l); });
    EXPECT_TRUE(left.empty());
    connection.receipts.front().say(truth);
    connection.receipts.front().say(!truth);
    EXPECT_EQ(left, std::vector{truth});
    connection.receipts.clear();
    EXPECT_EQ(left.size(), 1U);
  }
}

TEST(reply, a_receipt_that_is_forgotten_says_no) {
  test_connection connection;
  std::vector<bool> left;
  connection.make()->send(api::pinged(true), [&](bool l) { left.push_back(l); });
  connection.receipts.clear();
  EXPECT_EQ(left, std::vector{false});
}

TEST(reply, a_waiting_caller_is_notified_when_the_client_leaves) {
  test_connection connection;
  int gone = 0;
  const auto r = connection.make();
  r->when_gone([&] { ++gone; });
  connection.client->left();
  connection.client->left();
  EXPECT_EQ(gone, 1);
  r->when_gone([&] { ++gone; });
  EXPECT_EQ(gone, 2) << "it had left already";
  r->send(api::pinged(true));
  EXPECT_EQ(connection.sent, std::vector{200U})
      << "one that only closed its sending side still listens";
}

TEST(reply, no_notification_comes_after_the_answer) {
  test_connection connection;
  int gone = 0;
  const auto r = connection.make();
  r->when_gone([&] { ++gone; });
  r->send(api::pinged(true));
  connection.client->left();
  r->when_gone([&] { ++gone; });
  EXPECT_EQ(gone, 0);
}

TEST(reply, what_watches_the_client_may_answer_and_may_hold_the_reply) {
  test_connection connection;
  auto r = connection.make();
  const std::weak_ptr<reply> seen = r;
  r->when_gone([r] { r->send(api::refuse({errc::cancelled, {}})); });
  r.reset();
  EXPECT_TRUE(connection.sent.empty());
  connection.client->left();
  EXPECT_EQ(connection.sent.size(), 1U);
  EXPECT_TRUE(seen.expired());

  auto other = test_connection{};
  auto answered = other.make();
  const std::weak_ptr<reply> kept = answered;
  answered->when_gone([answered] {});
  answered->send(api::pinged(true));
  answered.reset();
  EXPECT_TRUE(kept.expired()) << "an answer lets go of the watcher";
}

/// In any order: one answer, one receipt, and no disconnect is reported after send().
TEST(reply, an_answer_and_a_goodbye_at_the_same_time) {
  for (int i = 0; i < 300; ++i) {
    std::atomic<int> sent{0};
    std::atomic<int> receipts{0};
    std::atomic<bool> answered{false};
    std::atomic<bool> notified_late{false};
    const auto client = std::make_shared<presence>();
    const auto r = std::make_shared<reply>([&](api::response, receipt) { ++sent; }, client);
    r->when_gone([&] { notified_late = answered.load(); });
    std::latch together{3};
    std::thread leaver{[&] {
      together.arrive_and_wait();
      client->left();
    }};
    std::thread first{[&] {
      together.arrive_and_wait();
      r->send(api::pinged(true), [&](bool) { ++receipts; });
      answered = true;
    }};
    together.arrive_and_wait();
    r->send(api::pinged(true), [&](bool) { ++receipts; });
    leaver.join();
    first.join();
    EXPECT_EQ(sent, 1);
    EXPECT_EQ(receipts, 2);
    EXPECT_FALSE(notified_late);
  }
}

} // namespace
} // namespace tayfa
