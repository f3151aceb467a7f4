// Time, numbers and departures: what holds when clients are slow, many, rude or gone.
#include "tests/unit/http/served.hpp"

#include <atomic>
#include <sys/resource.h>

namespace tayfa {
namespace {

using namespace test;

http_options short_times() {
  auto o = quick_options();
  o.header_timeout = 100ms;
  o.body_timeout = 100ms;
  o.linger = 100ms;
  return o;
}

TEST(http_limits, a_head_that_trickles_is_cut) {
  served s{short_times()};
  auto client = s.client();
  ASSERT_TRUE(client.send("GET /health HTTP/1.1\r\nHo"));
  const auto a = client.read();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 408U);
  EXPECT_TRUE(client.ended());
}

TEST(http_limits, sending_a_little_now_and_then_gains_no_time) {
  served s{short_times()};
  auto client = s.client();
  ASSERT_TRUE(client.send("GET /health HTTP/1.1\r\n"));
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 90 && !client.readable_within(10ms); ++i) {
    client.send("X: y\r\n");
  }
  EXPECT_EQ(client.read()->status, 408U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
}

TEST(http_limits, a_body_that_stops_is_cut) {
  served s{short_times()};
  auto client = s.client();
  ASSERT_TRUE(client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"));
  EXPECT_EQ(client.read()->status, 408U);
  EXPECT_TRUE(client.ended());
}

TEST(http_limits, an_idle_connection_is_closed_without_a_word) {
  auto options = quick_options();
  options.idle_timeout = 50ms;
  served s{options};
  auto fresh = s.client();
  EXPECT_TRUE(fresh.ended());
  auto used = s.client();
  EXPECT_EQ(used.ask(get("/ping"))->status, 200U);
  EXPECT_TRUE(used.ended());
}

TEST(http_limits, an_answer_that_is_not_read_is_cut) {
  auto options = short_times();
  std::atomic<int> answers{0};
  options.answered = [&answers](unsigned) { ++answers; };
  served s{options, true};
  raw_client client{s.port(), 4096};
  ASSERT_TRUE(client.send(get("/status/a")));
  job_view view;
  view.id = job_id{"a"};
  view.output = shared_text{'"' + std::string(std::size_t{32} << 20, 'z') + '"'};
  s.next().second->send(api::job(view));
  // The client reads only after the server has given up by resetting or ending the stream.
  EXPECT_TRUE(client.hung_up());
  EXPECT_FALSE(client.read());
  EXPECT_EQ(answers, 1);
}

TEST(http_limits, a_client_that_vanishes_costs_nothing) {
  auto options = quick_options();
  options.connections_max = 1;
  options.linger = 50ms;
  served s{options, true};
  for (const bool rude : {false, true}) {
    reply_ptr pending;
    {
      auto client = s.client();
      ASSERT_TRUE(client.send(get("/status/a")));
      pending = s.next().second;
      rude ? client.reset() : client.drop();
    }
    // The only place is free again although the answer is still open.
    std::optional<answer> a;
    do {
      auto next = s.client();
      if (next.send(get("/ping")) && s.held_within(20ms)) {
        s.next().second->send(api::pinged(true));
        a = next.read();
      }
    } while (!a || a->status == 503U);
    EXPECT_EQ(a->status, 200U);
    pending->send(api::accepted(job_id{"a"}));
  }
}

TEST(http_limits, a_dropped_reply_says_unavailable) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/health")));
  s.next().second.reset();
  const auto a = client.read();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 503U);
  EXPECT_TRUE(a->has("Retry-After: 1"));
  EXPECT_NE(a->body.find("unavailable"), std::string::npos);
}

TEST(http_limits, a_sink_that_throws_or_is_missing_says_unavailable) {
  served s;
  auto client = s.client();
  s.server().redirect([](api::call, reply_ptr) { throw std::runtime_error{"secret"}; });
  const auto thrown = client.ask(get("/health"));
  EXPECT_EQ(thrown->status, 503U);
  EXPECT_EQ(thrown->body.find("secret"), std::string::npos);
  s.server().redirect(nullptr);
  EXPECT_EQ(client.ask(get("/health"))->status, 503U);
}

TEST(http_limits, two_hundred_idle_connections_do_not_disturb) {
  served s;
  std::vector<raw_client> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(s.client());
    ASSERT_TRUE(idle.back().connected());
  }
  auto client = s.client();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.ask(get("/ping"))->status, 200U);
  }
  EXPECT_EQ(idle.front().ask(get("/ping"))->status, 200U);
  EXPECT_EQ(idle.back().ask(get("/ping"))->status, 200U);
}

TEST(http_limits, connections_above_the_limit_get_503) {
  auto options = quick_options();
  options.connections_max = 2;
  options.undisturbed = 1h; // else the longest idle one would go
  served s{options};
  auto a = s.client();
  auto b = s.client();
  EXPECT_EQ(a.ask(get("/ping"))->status, 200U);
  EXPECT_EQ(b.ask(get("/ping"))->status, 200U);
  auto c = s.client();
  const auto refusal = c.read();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 503U);
  EXPECT_NE(refusal->body.find("too_many_connections"), std::string::npos);
  EXPECT_TRUE(refusal->has("Retry-After: 1"));
  c.drop();
  a.ask(get("/ping", "Connection: close\r\n"));
  EXPECT_TRUE(a.ended());
  a.drop();
  std::optional<answer> later;
  do {
    auto d = s.client();
    later = d.ask(get("/ping"));
  } while (!later || later->status == 503U);
  EXPECT_EQ(later->status, 200U);
}

TEST(http_limits, running_out_of_descriptors_does_not_spin) {
  auto options = quick_options();
  std::atomic<int> troubles{0};
  options.trouble = [&troubles](const error&) { ++troubles; };
  served s{options};
  auto early = s.client();
  EXPECT_EQ(early.ask(get("/ping"))->status, 200U);
  std::vector<raw_client> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(s.client()); // made first: this process is both sides
  }
  EXPECT_EQ(waiting.back().ask(get("/ping"))->status, 200U);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  // Room for the client's own descriptor, none for the server's.
  const rlimit tight{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ::close(next);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  raw_client late{s.port()};
  late.send(get("/ping"));
  const bool answered_early = late.readable_within(350ms);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(late.connected());
  EXPECT_FALSE(answered_early);
  EXPECT_GE(troubles, 1);
  EXPECT_LE(troubles, 10);
  EXPECT_EQ(late.read()->status, 200U); // served once there is room
}

TEST(http_limits, close_lets_open_answers_leave) {
  served s{quick_options(), true};
  auto waiting = s.client();
  auto idle = s.client();
  ASSERT_TRUE(waiting.send(get("/health")));
  auto reply = s.next().second;
  auto closed = std::async(std::launch::async, [&s] { return s.close(); });
  EXPECT_TRUE(idle.ended()); // at once
  reply->send(api::counts({}, {}));
  const auto a = waiting.read();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 200U);
  EXPECT_TRUE(a->has("Connection: close"));
  EXPECT_TRUE(waiting.ended());
  waiting.drop();
  EXPECT_TRUE(closed.get());
  EXPECT_FALSE(s.client().connected());
}

TEST(http_limits, close_does_not_wait_for_ever) {
  auto options = quick_options();
  options.close_grace = 50ms;
  served s{options, true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/health")));
  auto reply = s.next().second;
  EXPECT_TRUE(s.close());
  EXPECT_TRUE(client.ended());
  s.destroy();
  reply->send(api::counts({}, {})); // the server is gone, and nothing breaks
}

TEST(http_limits, destruction_with_everything_open) {
  served s{quick_options(), true};
  auto asking = s.client();
  auto idle = s.client();
  auto half = s.client();
  ASSERT_TRUE(half.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"));
  ASSERT_TRUE(asking.send(get("/health")));
  auto reply = s.next().second;
  s.destroy();
  EXPECT_TRUE(asking.ended());
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(half.ended());
  reply.reset();
}

} // namespace
} // namespace tayfa
