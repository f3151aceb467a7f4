// Bodies that go on after their head: framing, time, and ends from either side.
#include "tests/unit/http/served.hpp"

#include <atomic>
#include <thread>

namespace tayfa {
namespace {

using namespace test;

/// A source that the test feeds, and that says when the server has let go of it.
class fed_source final : public api::body_source {
 public:
  explicit fed_source(std::shared_ptr<std::promise<void>> gone) : gone_(std::move(gone)) {}
  ~fed_source() override { gone_->set_value(); }

  void on_more(std::function<void()> wake) override {
    const std::lock_guard lock{mutex_};
    wake_ = std::move(wake);
  }
  piece next(std::size_t room) override {
    const std::lock_guard lock{mutex_};
    piece found{text_.substr(0, room), false};
    text_.erase(0, room);
    found.ended = ended_ && text_.empty();
    return found;
  }
  std::string_view heartbeat() const override { return ":\n\n"; }

  void say(std::string_view text, bool last = false) {
    std::function<void()> wake;
    {
      const std::lock_guard lock{mutex_};
      text_ += text;
      ended_ = last;
      wake = wake_;
    }
    if (wake) {
      wake();
    }
  }

 private:
  std::shared_ptr<std::promise<void>> gone_; // shared: the server may hold the source longest
  std::mutex mutex_;
  std::function<void()> wake_;
  std::string text_;
  bool ended_ = false;
};

struct stream_of_mine {
  std::shared_ptr<std::promise<void>> gone = std::make_shared<std::promise<void>>();
  std::shared_ptr<fed_source> source = std::make_shared<fed_source>(gone);

  api::response answer() {
    api::response r;
    r.content_type = "text/event-stream";
    r.stream = source;
    return r;
  }
  void say(std::string_view text, bool last = false) { source->say(text, last); }
  /// The server holds it no more.
  bool let_go() {
    source.reset();
    return gone->get_future().wait_for(10s) == std::future_status::ready;
  }
};

/// The body that chunks carry; nothing when the framing is broken or has no end.
std::optional<std::string> unchunked(std::string_view text) {
  std::string body;
  for (;;) {
    const std::size_t line = text.find("\r\n");
    if (line == std::string_view::npos || line == 0) {
      return std::nullopt;
    }
    const std::size_t size = std::stoul(std::string{text.substr(0, line)}, nullptr, 16);
    text.remove_prefix(line + 2);
    if (text.size() < size + 2 || text.substr(size, 2) != "\r\n") {
      return std::nullopt;
    }
    body += text.substr(0, size);
    text.remove_prefix(size + 2);
    if (size == 0) {
      return text.empty() ? std::optional{body} : std::nullopt;
    }
  }
}

TEST(http_stream, is_chunked_and_ends_the_connection) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  const auto head = client.read();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200U);
  EXPECT_TRUE(head->has("Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(head->has("Connection: close\r\n"));
  EXPECT_TRUE(head->has("Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(head->has("Cache-Control: no-store\r\n"));
  EXPECT_FALSE(head->has("Content-Length"));
  stream.say("one");
  EXPECT_EQ(client.until("one\r\n"), "3\r\none\r\n");
  const std::string large(100'000, 'x');
  stream.say(large);
  stream.say("last", true);
  const auto rest = client.to_the_end();
  ASSERT_TRUE(rest);
  EXPECT_EQ(unchunked(*rest), large + "last");
  client.drop();
  EXPECT_TRUE(stream.let_go());
}

TEST(http_stream, ends_with_the_connection_for_an_old_client) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  s.next().second->send(stream.answer());
  const auto head = client.read();
  ASSERT_TRUE(head);
  EXPECT_FALSE(head->has("Transfer-Encoding"));
  EXPECT_FALSE(head->has("keep-alive"));
  stream.say("one");
  stream.say("two", true);
  EXPECT_EQ(client.to_the_end(), "onetwo");
}

TEST(http_stream, head_has_no_body_and_no_stream) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  stream.say("never");
  s.next().second->send(stream.answer());
  const auto head = client.read(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200U);
  EXPECT_TRUE(head->has("Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(head->has("Connection: close\r\n"));
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(stream.let_go());
}

TEST(http_stream, beats_while_there_is_nothing_to_say) {
  auto options = quick_options();
  options.stream_heartbeat = 20ms;
  served s{options, true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  ASSERT_TRUE(client.read());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.until("\n\n\r\n"), "3\r\n:\n\n\r\n");
  }
  stream.say("one");
  EXPECT_TRUE(client.until("3\r\none\r\n"));
  EXPECT_TRUE(client.until("3\r\n:\n\n\r\n"));
}

TEST(http_stream, wakes_without_events_do_not_put_the_beat_off) {
  auto options = quick_options();
  options.stream_heartbeat = 100ms;
  served s{options, true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  ASSERT_TRUE(client.read());
  std::atomic<bool> done{false};
  std::thread noise{[&] {
    while (!done) {
      stream.say(""); // wakes all, without text for this client
      std::this_thread::yield();
    }
  }};
  EXPECT_TRUE(client.until(":\n\n"));
  EXPECT_TRUE(client.until(":\n\n"));
  done = true;
  noise.join();
}

TEST(http_stream, is_let_go_when_its_reader_leaves) {
  for (const int manner : {0, 1, 2}) {
    served s{quick_options(), true};
    stream_of_mine stream;
    auto client = s.client();
    ASSERT_TRUE(client.send(get("/events")));
    s.next().second->send(stream.answer());
    ASSERT_TRUE(client.read());
    switch (manner) {
    case 0: client.drop(); break;
    case 1: client.reset(); break;
    default: client.stop_sending(); break;
    }
    EXPECT_TRUE(stream.let_go()) << manner;
  }
}

TEST(http_stream, is_not_begun_for_a_client_that_has_left) {
  auto options = quick_options();
  options.linger = 10s;
  served s{options, true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  auto reply = s.next().second;
  client.stop_sending();
  auto other = s.client(); // its answer shows that the server has seen the end of the first
  ASSERT_TRUE(other.send(get("/ping")));
  s.next().second->send(api::pinged(true));
  ASSERT_TRUE(other.read());
  reply->send(stream.answer());
  reply.reset();
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(stream.let_go());
}

TEST(http_stream, a_reader_that_takes_nothing_is_cut) {
  auto options = quick_options();
  options.body_timeout = 100ms;
  served s{options, true};
  stream_of_mine stream;
  raw_client client{s.port(), 4096};
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  stream.say(std::string(std::size_t{4} << 20, 'x'));
  EXPECT_TRUE(client.hung_up());
  EXPECT_TRUE(stream.let_go());
}

TEST(http_stream, requests_behind_it_are_not_served) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events") + get("/ping")));
  s.next().second->send(stream.answer());
  ASSERT_TRUE(client.read());
  ASSERT_TRUE(client.send(get("/ping") + std::string(200'000, 'x')));
  stream.say("one");
  EXPECT_TRUE(client.until("one\r\n"));
  EXPECT_EQ(s.held(), 0U);
  stream.say("", true);
  EXPECT_TRUE(client.until("0\r\n\r\n"));
}

TEST(http_stream, counts_as_an_open_answer_and_there_are_not_too_many) {
  auto options = quick_options();
  options.connections_max = 3;
  options.streams_max = 1;
  served s{options, true};
  stream_of_mine first;
  stream_of_mine second;
  auto watcher = s.client();
  ASSERT_TRUE(watcher.send(get("/events")));
  s.next().second->send(first.answer());
  ASSERT_TRUE(watcher.read());
  auto late = s.client();
  ASSERT_TRUE(late.send(get("/events")));
  s.next().second->send(second.answer());
  const auto refusal = late.read();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 503U);
  EXPECT_TRUE(refusal->has("Retry-After: 1"));
  EXPECT_NE(refusal->body.find("too_many_connections"), std::string::npos);
  EXPECT_TRUE(second.let_go());
  ASSERT_TRUE(late.send(get("/ping"))); // the connection is as good as before
  s.next().second->send(api::pinged(true));
  EXPECT_EQ(late.read()->status, 200U);
  auto third = s.client();
  ASSERT_TRUE(third.send(get("/ping")));
  s.next().second->send(api::pinged(true));
  EXPECT_EQ(third.read()->status, 200U);
  EXPECT_EQ(s.client().read()->status, 503U); // the places are taken
  watcher.drop();
  EXPECT_TRUE(first.let_go());
  stream_of_mine again;
  ASSERT_TRUE(late.send(get("/events")));
  s.next().second->send(again.answer());
  EXPECT_EQ(late.read()->status, 200U);
}

TEST(http_stream, ends_well_when_the_server_closes) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  ASSERT_TRUE(client.read());
  stream.say("one");
  auto closed = std::async(std::launch::async, [&s] { return s.close(); });
  const auto rest = client.to_the_end();
  ASSERT_TRUE(rest);
  EXPECT_EQ(unchunked(*rest), "one");
  client.drop();
  EXPECT_TRUE(closed.get());
  EXPECT_TRUE(stream.let_go());
}

TEST(http_stream, does_not_begin_while_the_server_closes) {
  served s{quick_options(), true};
  stream_of_mine stream;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  auto reply = s.next().second;
  auto idle = s.client();
  auto closed = std::async(std::launch::async, [&s] { return s.close(); });
  EXPECT_TRUE(idle.ended());
  reply->send(stream.answer());
  EXPECT_EQ(client.read()->status, 503U);
  client.drop();
  EXPECT_TRUE(closed.get());
}

TEST(http_stream, a_reader_that_is_stuck_does_not_hold_up_the_close) {
  auto options = quick_options();
  options.close_grace = 50ms;
  served s{options, true};
  stream_of_mine stream;
  raw_client client{s.port(), 4096};
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(stream.answer());
  stream.say(std::string(std::size_t{4} << 20, 'x'));
  EXPECT_TRUE(s.close());
  EXPECT_TRUE(stream.let_go());
}

} // namespace
} // namespace tayfa
