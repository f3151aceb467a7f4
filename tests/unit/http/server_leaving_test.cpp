// Delivery reports, and clients that leave before their answer.
#include "tests/unit/http/served.hpp"

#include <atomic>
#include <csignal>

namespace tayfa {
namespace {

using namespace test;

/// A callback that is called once; the test waits for it.
class notified_once {
 public:
  std::function<void(bool)> left() {
    return [this](bool l) { notify(l); };
  }
  std::function<void()> gone() {
    return [this] { notify(true); };
  }
  std::optional<bool> wait() {
    std::unique_lock lock{mutex_};
    came_.wait_for(lock, 10s, [this] { return times_ > 0; });
    return times_ == 1 ? std::optional{said_} : std::nullopt;
  }
  int times() {
    const std::lock_guard lock{mutex_};
    return times_;
  }

 private:
  void notify(bool said) {
    const std::lock_guard lock{mutex_};
    ++times_;
    said_ = said;
    came_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable came_;
  int times_ = 0;
  bool said_ = false;
};

http_options patient_options() {
  auto o = quick_options();
  o.linger = 10s;
  return o;
}

api::response large(std::size_t bytes) {
  api::response r;
  r.body.assign(bytes, 'x');
  return r;
}

// ---- answers that leave ------------------------------------------------------------------------

TEST(leaving, a_client_that_reads_its_answer_has_got_it) {
  notified_once receipt;
  served s{quick_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  s.next().second->send(api::pinged(true), receipt.left());
  EXPECT_EQ(client.read()->status, 200U);
  EXPECT_EQ(receipt.wait(), true);
  EXPECT_TRUE(client.ask(get("/nowhere"))) << "the connection goes on";
}

/// The client may be gone by the time the server checks.
TEST(leaving, a_client_that_reads_its_answer_and_leaves_at_once_has_got_it) {
  served s{quick_options(), true};
  for (int i = 0; i < 200; ++i) {
    notified_once receipt;
    auto client = s.client();
    client.send(get("/ping", "Connection: close\r\n"));
    s.next().second->send(api::pinged(true), receipt.left());
    EXPECT_EQ(client.read()->status, 200U);
    client.drop();
    EXPECT_EQ(receipt.wait(), true) << i;
  }
}

TEST(leaving, an_answer_that_no_client_takes_has_not_left) {
  auto options = quick_options();
  options.body_timeout = 100ms;
  notified_once receipt;
  served s{options, true};
  raw_client client{s.port(), 4096};
  client.send(get("/ping"));
  s.next().second->send(large(30'000'000), receipt.left());
  EXPECT_EQ(receipt.wait(), false);
}

TEST(leaving, a_client_that_leaves_in_the_middle_of_its_answer_has_not_got_it) {
  notified_once receipt;
  served s{quick_options(), true};
  raw_client client{s.port(), 4096};
  client.send(get("/ping"));
  s.next().second->send(large(30'000'000), receipt.left());
  ASSERT_TRUE(client.readable_within(10s));
  client.drop();
  EXPECT_EQ(receipt.wait(), false);
}

TEST(leaving, a_client_that_is_gone_gets_nothing) {
  for (const bool with_reset : {true, false}) {
    notified_once gone;
    notified_once receipt;
    served s{quick_options(), true};
    auto client = s.client();
    client.send(get("/ping"));
    const auto reply = s.next().second;
    reply->when_gone(gone.gone());
    with_reset ? client.reset() : client.drop();
    EXPECT_EQ(gone.wait(), true);
    reply->send(api::pinged(true), receipt.left());
    EXPECT_EQ(receipt.wait(), false);
    EXPECT_EQ(gone.times(), 1);
  }
}

TEST(leaving, a_second_answer_has_not_left) {
  notified_once first;
  notified_once second;
  served s{quick_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  const auto reply = s.next().second;
  reply->send(api::pinged(true), first.left());
  reply->send(api::pinged(false), second.left());
  EXPECT_EQ(second.wait(), false);
  EXPECT_EQ(first.wait(), true);
}

// ---- clients that leave ------------------------------------------------------------------------

TEST(leaving, a_waiting_caller_learns_at_once_that_the_client_has_sent_all) {
  notified_once gone;
  notified_once receipt;
  served s{patient_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  const auto reply = s.next().second;
  reply->when_gone(gone.gone());
  client.stop_sending();
  EXPECT_EQ(gone.wait(), true);
  reply->send(api::pinged(true), receipt.left());
  EXPECT_EQ(client.read()->status, 200U) << "it still listens";
  EXPECT_EQ(receipt.wait(), false) << "no program can know that it does";
}

TEST(leaving, a_late_watcher_learns_it_too) {
  notified_once gone;
  notified_once late;
  served s{patient_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  const auto reply = s.next().second;
  reply->when_gone(gone.gone());
  client.drop();
  ASSERT_EQ(gone.wait(), true);
  reply->when_gone(late.gone());
  EXPECT_EQ(late.times(), 1) << "within the call";
}

TEST(leaving, requests_in_a_row_have_watchers_of_their_own) {
  notified_once first;
  notified_once second;
  served s{patient_options(), true};
  auto client = s.client();
  client.send(get("/ping") + get("/ping"));
  const auto one = s.next().second;
  one->when_gone(first.gone());
  one->send(api::pinged(true));
  const auto two = s.next().second;
  two->when_gone(second.gone());
  client.drop();
  EXPECT_EQ(second.wait(), true);
  EXPECT_EQ(first.times(), 0);
}

TEST(leaving, a_goodbye_behind_a_second_request_is_heard) {
  notified_once gone;
  served s{patient_options(), true};
  auto client = s.client();
  client.send(get("/ping") + get("/ping"));
  client.stop_sending();
  const auto reply = s.next().second;
  reply->when_gone(gone.gone());
  EXPECT_EQ(gone.wait(), true);
}

TEST(leaving, the_server_s_end_is_a_goodbye_and_no_receipt_is_forgotten) {
  notified_once gone;
  notified_once receipt;
  notified_once too_late;
  auto s = std::make_unique<served>(quick_options(), true);
  auto client = s->client();
  auto other = s->client();
  client.send(get("/ping"));
  const auto reply = s->next().second;
  other.send(get("/ping"));
  const auto another = s->next().second;
  reply->when_gone(gone.gone());
  s->destroy();
  EXPECT_EQ(gone.wait(), true);
  reply->send(api::pinged(true), receipt.left());
  EXPECT_EQ(receipt.wait(), false);
  another->send(api::pinged(true), too_late.left());
  EXPECT_EQ(too_late.wait(), false);
}

/// Answers, goodbyes and the server's end, all at once: each receipt comes once.
TEST(leaving, no_receipt_is_lost_in_the_end) {
  std::atomic<int> receipts{0};
  constexpr int calls = 100;
  auto s = std::make_unique<served>(quick_options(), true);
  std::vector<raw_client> clients;
  std::vector<reply_ptr> replies;
  for (int i = 0; i < calls; ++i) {
    clients.push_back(s->client());
    clients.back().send(get("/ping"));
    replies.push_back(s->next().second);
  }
  std::thread answerer{[&] {
    for (const auto& reply : replies) {
      reply->send(api::pinged(true), [&](bool) { ++receipts; });
    }
  }};
  for (std::size_t i = 0; i < clients.size(); i += 3) {
    clients[i].reset();
  }
  s->destroy();
  answerer.join();
  EXPECT_EQ(receipts, calls) << "while the replies are still held";
}

} // namespace
} // namespace tayfa
