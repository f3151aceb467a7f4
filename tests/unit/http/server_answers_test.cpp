// Answers being sent are bounded and shared, and their delivery is tracked.
#include "tests/unit/http/served.hpp"

#include <atomic>

namespace tayfa {
namespace {

using namespace test;

http_options with_budget(std::size_t bytes) {
  auto o = quick_options();
  o.answers = byte_budget{bytes};
  return o;
}

api::response sharing(const shared_text& text) {
  api::response r;
  r.body = "[";
  r.more = {text, shared_text{"]"}};
  return r;
}

shared_text text_of(std::size_t bytes) {
  return shared_text{"\"" + std::string(bytes - 2, 'x') + "\""};
}

/// No event reports that a budget is free again, or that nothing was sent.
void moment_passes(int ms) {
  ::poll(nullptr, 0, ms);
}

bool becomes(const std::function<bool()>& true_now) {
  for (int i = 0; i < 1'000 && !true_now(); ++i) {
    moment_passes(10);
  }
  return true_now();
}

TEST(http_answers, pieces_arrive_in_order_and_whole) {
  served s{quick_options(), true};
  auto client = s.client();
  for (int round = 0; round < 2; ++round) {
    client.send(get("/ping"));
    api::response r;
    r.body = "head ";
    std::string expected = r.body;
    for (int i = 0; i < 300; ++i) { // more than one system call takes
      r.more.emplace_back(std::to_string(i) + std::string(500, 'y') + " ");
      expected += r.more.back().view();
    }
    s.next().second->send(std::move(r));
    const auto got = client.read();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->body, expected) << round;
  }
}

TEST(http_answers, readers_of_one_text_share_its_place) {
  auto options = with_budget(3'000'000);
  auto budget = options.answers;
  served s{options, true};
  const auto text = text_of(2'900'000);
  std::vector<raw_client> deaf;
  for (int i = 0; i < 20; ++i) {
    deaf.emplace_back(s.port(), 4096);
    deaf.back().send(get("/ping"));
    s.next().second->send(sharing(text));
  }
  EXPECT_LE(budget.used(), 3'000'000U);
  EXPECT_GE(budget.used(), text.size());
  auto reader = s.client();
  reader.send(get("/ping"));
  s.next().second->send(sharing(text));
  const auto got = reader.read();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body.size(), text.size() + 2);
  deaf.clear();
  EXPECT_TRUE(becomes([&] { return budget.used() == 0; })) << budget.used();
}

TEST(http_answers, beyond_the_bound_503_and_small_answers_go_on) {
  auto options = with_budget(3'000'000);
  auto budget = options.answers;
  served s{options, true};
  raw_client deaf{s.port(), 4096};
  deaf.send(get("/ping"));
  s.next().second->send(sharing(text_of(2'900'000)));
  auto other = s.client();
  other.send(get("/ping"));
  std::optional<bool> left;
  s.next().second->send(sharing(text_of(200'000)), [&left](bool l) { left = l; });
  const auto refused = other.read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503U);
  EXPECT_TRUE(refused->has("Retry-After: 1"));
  EXPECT_NE(refused->body.find(R"("code":"busy")"), std::string::npos);
  EXPECT_EQ(left, false) << "what its answer said has not been read";
  other.send(get("/ping"));
  s.next().second->send(api::pinged(true));
  EXPECT_EQ(other.read()->status, 200U);
}

TEST(http_answers, a_reader_that_does_not_read_makes_room_for_others) {
  served s{with_budget(3'000'000), true};
  raw_client deaf{s.port(), 4096};
  deaf.send(get("/ping"));
  s.next().second->send(sharing(text_of(2'900'000)));
  auto other = s.client();
  unsigned status = 0;
  for (int i = 0; i < 100 && status != 200; ++i) { // as Retry-After says, only sooner
    other.send(get("/ping"));
    s.next().second->send(sharing(text_of(2'000'000)));
    status = other.read()->status;
    moment_passes(50);
  }
  EXPECT_EQ(status, 200U);
  EXPECT_TRUE(deaf.hung_up());
}

TEST(http_answers, a_reader_that_never_reads_is_given_up_long_before_its_time_is_over) {
  auto options = quick_options();
  options.answer_stall = 300ms;
  auto budget = options.answers;
  served s{options, true};
  raw_client deaf{s.port(), 4096};
  deaf.send(get("/ping"));
  s.next().second->send(sharing(text_of(20'000'000)));
  EXPECT_TRUE(becomes([&] { return budget.used() > 0; }));
  EXPECT_TRUE(becomes([&] { return budget.used() == 0; }));
  EXPECT_TRUE(deaf.hung_up());
}

// ---- received ----------------------------------------------------------------------------------

struct note {
  std::function<void(bool)> callback() {
    return [this](bool l) { said = l ? 1 : 0; };
  }
  bool comes(int what) {
    return becomes([&] { return said != -1; }) && said == what;
  }
  std::atomic<int> said{-1};
};

TEST(http_receipts, a_client_that_reads_and_closes_or_asks_on_has_received) {
  served s{quick_options(), true};
  for (const bool closes : {true, false}) {
    note received;
    auto client = s.client();
    client.send(get("/ping"));
    s.next().second->send(sharing(text_of(100'000)), received.callback(), proof::received);
    ASSERT_TRUE(client.read());
    if (closes) {
      client.drop();
    } else {
      client.send(get("/ping"));
      s.next().second->send(api::pinged(true));
      client.read();
      EXPECT_EQ(received.said, 1) << "known before the next answer comes";
    }
    EXPECT_TRUE(received.comes(1)) << closes;
  }
}

TEST(http_receipts, a_client_that_reads_and_stays_has_received) {
  note received;
  served s{quick_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  s.next().second->send(sharing(text_of(100'000)), received.callback(), proof::received);
  ASSERT_TRUE(client.read());
  EXPECT_TRUE(received.comes(1));
}

/// All of it is with the kernel, which is not with the reader.
TEST(http_receipts, a_client_that_never_reads_has_not_received_bytes_in_the_kernel) {
  note received;
  served s{quick_options(), true};
  raw_client client{s.port(), 4096};
  client.send(get("/ping"));
  s.next().second->send(sharing(text_of(100'000)), received.callback(), proof::received);
  ASSERT_TRUE(client.readable_within(10s));
  moment_passes(600); // longer than a receipt waits once all is acknowledged
  EXPECT_EQ(received.said, -1);
  client.drop();
  EXPECT_TRUE(received.comes(0));
}

/// The client's kernel has acknowledged all of it, but closing with unread bytes resets the
/// connection.
TEST(http_receipts, a_client_that_closes_with_a_small_answer_unread_has_not_received_it) {
  note received;
  served s{quick_options(), true};
  auto client = s.client();
  client.send(get("/ping"));
  s.next().second->send(sharing(text_of(5'000)), received.callback(), proof::received);
  ASSERT_TRUE(client.readable_within(10s));
  client.drop();
  EXPECT_TRUE(received.comes(0));
}

/// A hand-over of jobs only needs proof that the bytes were sent to a connected client.
TEST(http_receipts, sent_is_what_left_for_a_client_that_is_there) {
  for (const bool leaves : {false, true}) {
    note sent;
    served s{quick_options(), true};
    raw_client client{s.port(), 4096};
    client.send(get("/ping"));
    auto asked = s.next();
    if (leaves) {
      client.stop_sending();
    }
    asked.second->send(sharing(text_of(100'000)), sent.callback());
    EXPECT_TRUE(sent.comes(leaves ? 0 : 1)) << leaves;
  }
}

TEST(http_receipts, a_client_that_asked_for_the_head_has_not_received_the_body) {
  note received;
  served s{quick_options(), true};
  auto client = s.client();
  client.send("HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
  s.next().second->send(sharing(text_of(5'000)), received.callback(), proof::received);
  EXPECT_TRUE(client.read(true));
  EXPECT_TRUE(received.comes(0));
}

TEST(http_receipts, an_answer_that_was_refused_for_want_of_room_was_not_received) {
  note received;
  served s{with_budget(1'000), true};
  auto client = s.client();
  client.send(get("/ping"));
  s.next().second->send(sharing(text_of(100'000)), received.callback(), proof::received);
  EXPECT_EQ(client.read()->status, 503U);
  EXPECT_TRUE(received.comes(0));
}

} // namespace
} // namespace tayfa
