// GET /events over real sockets: the feed behind, watchers of every kind in front.
#include "runtime/http/event_stream.hpp"
#include "tests/unit/http/served.hpp"

#include <atomic>
#include <thread>

namespace tayfa {
namespace {

using namespace test;

class watched {
 public:
  explicit watched(std::size_t capacity = 4096, http_options options = quick_options())
      : feed(capacity), server_(std::move(options)) {
    server_.server().redirect([this](api::call call, reply_ptr reply) {
      if (const auto* asked = std::get_if<api::events>(&call)) {
        reply->send(event_stream(feed, *asked));
      } else {
        reply->send(answer_at_once(call));
      }
    });
  }

  /// A client that has read the head, so that it watches.
  raw_client watcher(std::string_view target = "/events", std::string_view more = {},
                     int receive_buffer = 0) {
    raw_client client{server_.port(), receive_buffer};
    EXPECT_TRUE(client.send(get(target, more)));
    const auto head = client.read();
    EXPECT_TRUE(head && head->status == 200U);
    return client;
  }
  void publish(std::string_view id, std::string data = "{}") {
    feed.publish("job", id, std::move(data));
  }
  served& server() { return server_; }

  event_feed feed;

 private:
  served server_; // behind the feed: its connections watch it
};

std::string text_of(std::uint64_t number) {
  return "id: " + std::to_string(number) + "\nevent: job\ndata: {}\n\n";
}

TEST(http_events, reach_a_watcher_as_they_happen) {
  watched w;
  auto client = w.watcher();
  EXPECT_TRUE(client.until("retry: 1000\nid: 0\n\n"));
  w.publish("a", R"({"id":"a","status":"IN_QUEUE"})");
  EXPECT_TRUE(client.until("id: 1\nevent: job\ndata: {\"id\":\"a\",\"status\":\"IN_QUEUE\"}\n\n"));
  w.feed.publish("pod", "", R"({"to":"READY"})");
  EXPECT_TRUE(client.until("id: 2\nevent: pod\ndata: {\"to\":\"READY\"}\n\n"));
}

TEST(http_events, of_one_job_only) {
  watched w;
  auto client = w.watcher("/v2/tayfa/events?job=b");
  w.publish("a");
  w.publish("b");
  w.publish("a");
  w.publish("b");
  const auto seen = client.until(text_of(4));
  ASSERT_TRUE(seen);
  EXPECT_NE(seen->find(text_of(2)), std::string::npos);
  EXPECT_EQ(seen->find(text_of(1)), std::string::npos);
  EXPECT_EQ(seen->find(text_of(3)), std::string::npos);
}

TEST(http_events, go_on_where_a_watcher_left) {
  watched w;
  {
    auto client = w.watcher();
    w.publish("a");
    ASSERT_TRUE(client.until(text_of(1)));
  }
  w.publish("a");
  w.publish("a");
  auto again = w.watcher("/events", "Last-Event-ID: 1\r\n");
  const auto seen = again.until(text_of(3));
  ASSERT_TRUE(seen);
  EXPECT_NE(seen->find(text_of(2)), std::string::npos);
  EXPECT_EQ(seen->find(text_of(1)), std::string::npos);
  EXPECT_EQ(seen->find("missed"), std::string::npos);
  auto by_query = w.watcher("/events?after=2");
  EXPECT_TRUE(by_query.until(text_of(3)));
}

TEST(http_events, a_reader_that_was_away_too_long_learns_so) {
  watched w{4};
  for (int i = 0; i < 10; ++i) {
    w.publish("a");
  }
  auto client = w.watcher("/events", "Last-Event-ID: 2\r\n");
  EXPECT_TRUE(client.until("event: missed\ndata: {\"missed\":4}\n\n" + text_of(7)));
  auto stranger = w.watcher("/events", "Last-Event-ID: 999\r\n");
  EXPECT_TRUE(stranger.until("event: missed\ndata: {\"missed\":null}\n\n" + text_of(7)));
}

TEST(http_events, a_slow_reader_learns_what_it_missed_and_goes_on) {
  watched w{64};
  auto client = w.watcher("/events", {}, 4096);
  constexpr std::uint64_t total = 20'000;
  for (std::uint64_t i = 0; i < total; ++i) {
    w.publish("a", '"' + std::string(1'000, 'x') + '"');
  }
  // The client has read nothing yet: some events are in flight, the feed has kept the last, the
  // rest is counted.
  std::uint64_t at = 0;
  std::uint64_t seen = 0;
  std::uint64_t missed = 0;
  while (at < total) {
    const auto event = client.until("\n\n");
    ASSERT_TRUE(event);
    if (const auto gone = event->find("{\"missed\":"); gone != std::string::npos) {
      missed += std::stoull(event->substr(gone + 10));
    } else if (event->find("event: job") != std::string::npos) {
      const auto number = std::stoull(event->substr(event->find("id: ") + 4));
      ASSERT_GT(number, at);
      at = number;
      ++seen;
    }
  }
  EXPECT_EQ(seen + missed, total);
  EXPECT_GT(missed, total / 2);
  EXPECT_GE(seen, 64U);
  w.publish("a");
  EXPECT_TRUE(client.until(text_of(total + 1)));
}

TEST(http_events, reach_many_watchers) {
  watched w;
  std::vector<raw_client> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(w.watcher());
  }
  std::vector<std::thread> publishers;
  for (int i = 0; i < 2; ++i) {
    publishers.emplace_back([&w] {
      for (int n = 0; n < 100; ++n) {
        w.publish("a");
      }
    });
  }
  for (auto& client : clients) {
    const auto seen = client.until(text_of(200));
    ASSERT_TRUE(seen);
    for (std::uint64_t n = 1; n < 200; ++n) {
      ASSERT_NE(seen->find(text_of(n)), std::string::npos) << n;
    }
  }
  for (auto& each : publishers) {
    each.join();
  }
  auto asking = w.server().client();
  EXPECT_EQ(asking.ask(get("/health"))->status, 200U);
}

TEST(http_events, watchers_come_and_go_while_things_happen) {
  watched w;
  std::atomic<bool> done{false};
  std::thread publisher{[&] {
    while (!done) {
      w.publish("a");
      std::this_thread::yield();
    }
  }};
  for (int i = 0; i < 100; ++i) {
    auto client = w.watcher();
    EXPECT_TRUE(client.until("event: job\n"));
    i % 2 == 0 ? client.drop() : client.reset();
  }
  auto open = w.watcher();
  w.server().destroy(); // with a watcher, and with events under way
  EXPECT_TRUE(open.hung_up());
  done = true;
  publisher.join();
}

TEST(http_events, end_when_the_server_closes) {
  watched w;
  auto client = w.watcher();
  w.publish("a");
  auto closed = std::async(std::launch::async, [&w] { return w.server().close(); });
  const auto rest = client.to_the_end();
  ASSERT_TRUE(rest);
  EXPECT_NE(rest->find(text_of(1)), std::string::npos);
  EXPECT_TRUE(rest->ends_with("\r\n0\r\n\r\n"));
  client.drop();
  EXPECT_TRUE(closed.get());
}

TEST(http_events, refusals) {
  watched w;
  auto client = w.server().client();
  EXPECT_EQ(client.ask(get("/events", "Last-Event-ID: x\r\n"))->status, 400U);
  EXPECT_EQ(client.ask(get("/events?x=1"))->status, 400U);
  EXPECT_EQ(client.ask(get("/events?job=%2F"))->status, 404U);
  EXPECT_EQ(client.ask(get("/ping"))->status, 200U);
  EXPECT_EQ(client.ask(get("/events", "Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n"))->status, 400U);
}

} // namespace
} // namespace tayfa
