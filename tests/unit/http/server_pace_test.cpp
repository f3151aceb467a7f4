// Slow clients: one that makes progress is served however long it takes, one that stalls or
// trickles is cut, and a slow one gives way when others need its place.
#include "tests/unit/http/manual_time.hpp"
#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

constexpr auto idle = 50ms;

http_options timed_by(const time_source& time) {
  auto o = quick_options();
  o.body_timeout = idle;
  o.linger = idle;
  o.idle_timeout = 1h;
  o.header_timeout = 1h;
  o.time = &time;
  return o;
}

/// Sends `bytes` in pieces, each after so much time; false when the server stopped taking them. The
/// clock does not run ahead of the server's judgement.
bool send_slowly(raw_client& client, manual_time& time, std::string_view bytes, std::size_t piece,
                 std::chrono::nanoseconds pause) {
  std::chrono::nanoseconds passed{0};
  auto judged = time.judged();
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto before = time.asked();
    if (!client.send(bytes.substr(at, piece))) {
      return false;
    }
    if (!time.was_asked_since(before) || client.readable_within(0ms)) {
      return at + piece >= bytes.size();
    }
    time.advance(pause);
    passed += pause;
    if (passed >= idle) {
      while (!time.was_judged_since(judged, 5ms) && !client.readable_within(0ms)) {
      }
      judged = time.judged();
      passed = {};
    }
  }
  return true;
}

/// The body's time has begun when this returns.
void begin_body(raw_client& client, std::string_view framing) {
  ASSERT_TRUE(client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                          "application/json\r\nExpect: 100-continue\r\n" +
                          std::string{framing} + "\r\n\r\n"));
  ASSERT_EQ(client.read()->status, 100U);
}

const std::string by_length = "Content-Length: 4000";
const std::string by_chunks = "Transfer-Encoding: chunked";

TEST(http_pace, a_body_that_goes_on_may_take_its_time) {
  manual_time time;
  served s{timed_by(time)};
  for (const auto& framing : {by_length, by_chunks}) {
    auto client = s.client();
    std::string body = body_of(4'000);
    if (framing == by_chunks) {
      body = "fa0\r\n" + body + "\r\n0\r\n\r\n";
    }
    begin_body(client, framing);
    ASSERT_TRUE(send_slowly(client, time, body, 100, idle / 4)) << "ten times its idle time";
    EXPECT_EQ(client.read()->status, 200U);
  }
}

TEST(http_pace, a_body_that_trickles_is_cut) {
  manual_time time;
  served s{timed_by(time)};
  for (const auto& framing : {by_length, by_chunks}) {
    auto client = s.client();
    begin_body(client, framing);
    const std::string body = (framing == by_chunks ? "fa0\r\n" : "") + body_of(4'000);
    EXPECT_FALSE(send_slowly(client, time, body, 1, idle / 5));
    EXPECT_EQ(client.read()->status, 408U);
  }
}

TEST(http_pace, frames_of_chunks_are_no_progress) {
  manual_time time;
  auto options = timed_by(time);
  options.least_rate = 100;
  served s{options};
  auto client = s.client();
  begin_body(client, by_chunks);
  EXPECT_FALSE(send_slowly(client, time, "1;" + std::string(10'000, 'x'), 100, idle / 5));
  EXPECT_EQ(client.read()->status, 408U);
}

TEST(http_pace, an_answer_that_is_taken_slowly_arrives_whole) {
  manual_time time;
  auto options = timed_by(time);
  options.answer_stall = 1h;
  served s{options, true};
  raw_client client{s.port(), 65'536};
  ASSERT_TRUE(client.send(get("/status/a", "Connection: close\r\n")));
  job_view view;
  view.id = job_id{"a"};
  view.output = shared_text{'"' + std::string(std::size_t{8} << 20, 'z') + '"'};
  s.next().second->send(api::job(view));
  std::size_t got = 0;
  std::size_t steps = 0;
  for (bool more = true; more; ++steps) {
    // Read much at once: a receiver's kernel announces free room in large steps.
    for (std::size_t step = 0; more && step < (std::size_t{256} << 10);) {
      const auto some = client.read_some((std::size_t{256} << 10) - step);
      more = some > 0;
      step += some;
      got += some;
    }
    const auto before = time.asked();
    time.advance(idle / 3);
    ASSERT_TRUE(got > (std::size_t{7} << 20) || time.was_asked_since(before));
  }
  EXPECT_GT(got, std::size_t{8} << 20);
  EXPECT_GT(steps, 20U) << "it took several times its idle time";
}

TEST(http_pace, an_answer_of_which_a_byte_is_taken_now_and_then_is_cut) {
  manual_time time;
  auto options = timed_by(time);
  options.least_rate = std::uint64_t{1} << 30; // the kernel's own buffers take some at once
  options.answer_stall = 1h;
  served s{options, true};
  raw_client client{s.port(), 4'096};
  ASSERT_TRUE(client.send(get("/status/a")));
  job_view view;
  view.id = job_id{"a"};
  view.output = shared_text{'"' + std::string(std::size_t{8} << 20, 'z') + '"'};
  s.next().second->send(api::job(view));
  bool cut = false;
  for (int i = 0; i < 1'000 && !cut; ++i) {
    time.advance(idle / 5);
    client.read_some(1'000);
    cut = client.hung_up_within(2ms);
  }
  EXPECT_TRUE(cut);
}

// ---- when others want its place ----------------------------------------------------------------

TEST(http_places, the_longest_idle_connection_goes_for_a_new_one) {
  manual_time time;
  auto options = timed_by(time);
  options.connections_max = 2;
  served s{options};
  auto a = s.client();
  auto b = s.client();
  EXPECT_EQ(a.ask(get("/ping"))->status, 200U);
  EXPECT_EQ(b.ask(get("/ping"))->status, 200U);
  EXPECT_EQ(s.client().ask(get("/ping"))->status, 503U) << "no client has been idle for a second";
  time.advance(2s);
  auto c = s.client();
  EXPECT_EQ(c.ask(get("/ping"))->status, 200U);
  EXPECT_TRUE(a.ended());
  const auto again = b.ask(get("/ping"));
  ASSERT_TRUE(again) << "one place was wanted, and not two";
  EXPECT_EQ(again->status, 200U);
}

TEST(http_places, connections_that_never_ask_hold_none_and_waiting_ones_keep_theirs) {
  manual_time time;
  auto options = timed_by(time);
  options.connections_max = 4;
  served s{options, true};
  auto waiting = s.client();
  ASSERT_TRUE(waiting.send(get("/status/a"))); // is being answered, however long that takes
  auto held = s.next();
  std::vector<raw_client> silent;
  for (int i = 0; i < 3; ++i) {
    silent.push_back(s.client());
    if (i == 2) {
      ASSERT_TRUE(silent.back().send("GET /ping HT")); // a head that does not come
    }
  }
  std::size_t served_ones = 0;
  for (int i = 0; i < 100 && served_ones < 3; ++i) {
    time.advance(2s);
    auto next = s.client();
    next.send(get("/ping"));
    if (s.held_within(20ms)) {
      s.next().second->send(api::pinged(true));
      EXPECT_EQ(next.read()->status, 200U);
      ++served_ones;
    }
  }
  EXPECT_EQ(served_ones, 3U);
  held.second->send(api::pinged(true));
  EXPECT_EQ(waiting.read()->status, 200U);
}

TEST(http_places, a_slow_body_gives_its_room_to_another) {
  manual_time time;
  auto options = timed_by(time);
  options.body_timeout = 1h;
  options.receiving_bytes_max = 1'000;
  served s{options};
  auto slow = s.client();
  const std::string text = post("/run", body_of(900));
  const auto before = time.asked();
  ASSERT_TRUE(slow.send(std::string_view{text}.substr(0, text.size() - 1)));
  ASSERT_TRUE(time.was_asked_since(before));
  auto other = s.client();
  std::optional<answer> refused; // until the slow one's head is read
  do {
    refused = other.ask(post("/run", body_of(101)));
    ASSERT_TRUE(refused);
  } while (refused->status == 200U);
  EXPECT_EQ(refused->status, 503U) << "it has no pace yet";
  time.advance(6s);
  EXPECT_EQ(s.client().ask(post("/run", body_of(900)))->status, 200U);
  EXPECT_EQ(slow.read()->status, 408U);
}

TEST(http_places, a_slow_reader_gives_its_room_to_another) {
  manual_time time;
  auto options = timed_by(time);
  options.body_timeout = 1h;
  options.answer_stall = 1h;
  options.answers = byte_budget{3'000'000};
  served s{options, true};
  raw_client slow{s.port(), 4'096};
  const auto answer_of = [](std::size_t bytes) {
    job_view view;
    view.id = job_id{"a"};
    view.output = shared_text{'"' + std::string(bytes, 'z') + '"'};
    return api::job(view);
  };
  slow.send(get("/ping"));
  s.next().second->send(answer_of(2'900'000));
  ASSERT_GT(slow.read_some(1'000), 0U);
  time.advance(20s);
  auto other = s.client();
  unsigned status = 0;
  for (int i = 0; i < 100 && status != 200; ++i) {
    slow.read_some(4'096); // it does go on, with 20 KB/s
    other.send(get("/ping"));
    s.next().second->send(answer_of(2'000'000));
    status = other.read()->status;
    time.advance(200ms);
  }
  EXPECT_EQ(status, 200U);
  EXPECT_TRUE(slow.hung_up());
}

TEST(http_pace, a_refusal_waits_for_a_client_that_still_sends) {
  manual_time time;
  served s{timed_by(time)};
  auto client = s.client();
  const std::string body = body_of(std::size_t{11} << 20);
  const auto before = time.asked();
  ASSERT_TRUE(client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n"));
  ASSERT_TRUE(time.was_asked_since(before));
  for (std::size_t at = 0; at < body.size(); at += 100'000) { // as a client that reads at the end
    const auto asked = time.asked();
    ASSERT_TRUE(client.send(std::string_view{body}.substr(at, 100'000)));
    ASSERT_TRUE(time.was_asked_since(asked));
    time.advance(idle / 3);
  }
  EXPECT_EQ(client.read()->status, 413U);
}

} // namespace
} // namespace tayfa
