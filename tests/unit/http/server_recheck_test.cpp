// A key that is taken away, or reduced, while its request is open.
#include "runtime/http/event_stream.hpp"
#include "tests/unit/http/served.hpp"

#include <set>

namespace tayfa {
namespace {

using namespace test;

/// Admits every client under the name in its key, until that name is revoked.
class changing_gate final : public api::gate {
 public:
  tl::expected<api::principal, refusal> admit(const api::access_request& v) override {
    const std::lock_guard lock{mutex_};
    ++inside_;
    return api::principal{std::string{v.authorization}, {}, false};
  }
  void done(const api::access_request&, const api::principal&) override {
    const std::lock_guard lock{mutex_};
    --inside_;
  }
  std::uint64_t version() override {
    const std::lock_guard lock{mutex_};
    ++looks_;
    looked_.notify_all();
    return version_;
  }
  std::optional<refusal> recheck(const api::access_request& v, const api::principal& who) override {
    const std::lock_guard lock{mutex_};
    EXPECT_EQ(v.authorization, "") << "no key is kept";
    seen_.insert(std::string{v.route});
    if (struck_.contains(who.name)) {
      return refusal{{errc::unauthorized, {}}, 0};
    }
    return reduced_.contains(who.name) ? std::optional{refusal{{errc::forbidden, {}}, 0}}
                                       : std::nullopt;
  }
  bool needs_keys() const override { return true; }

  void strike(const std::string& name) {
    const std::lock_guard lock{mutex_};
    struck_.insert(name);
    ++version_;
  }
  void reduce(const std::string& name) {
    const std::lock_guard lock{mutex_};
    reduced_.insert(name);
    ++version_;
  }
  /// True once its version was read this many more times.
  bool looked(int times) {
    std::unique_lock lock{mutex_};
    const int wanted = looks_ + times;
    return looked_.wait_for(lock, 10s, [&] { return looks_ >= wanted; });
  }
  int looks() {
    const std::lock_guard lock{mutex_};
    return looks_;
  }
  int inside() {
    const std::lock_guard lock{mutex_};
    return inside_;
  }
  std::set<std::string> seen() {
    const std::lock_guard lock{mutex_};
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable looked_;
  std::set<std::string> struck_, reduced_, seen_;
  std::uint64_t version_ = 0;
  int looks_ = 0;
  int inside_ = 0;
};

std::string with(const std::string& key) {
  return "Authorization: " + key + "\r\n";
}

class rechecked : public testing::Test {
 protected:
  http_options options() {
    auto o = quick_options();
    o.api.access_gate = &gate;
    return o;
  }
  changing_gate gate;
};

TEST_F(rechecked, a_waiting_answer_becomes_a_refusal) {
  served s{options(), true};
  auto leaver = s.client();
  auto stays = s.client();
  ASSERT_TRUE(leaver.send(post("/runsync?wait=60000", R"({"input":1})", with("leaver"))));
  const auto first = s.next();
  ASSERT_TRUE(stays.send(post("/runsync?wait=60000", R"({"input":1})", with("stays"))));
  const auto second = s.next();
  std::promise<void> gone;
  first.second->when_gone([&gone] { gone.set_value(); });
  const auto began = std::chrono::steady_clock::now();
  gate.strike("leaver");
  EXPECT_EQ(leaver.read()->status, 401U);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1s);
  EXPECT_EQ(gone.get_future().wait_for(10s), std::future_status::ready)
      << "the worker learns that no client waits";
  std::promise<bool> left;
  first.second->send(api::accepted(job_id{"late"}), [&left](bool whole) { left.set_value(whole); });
  EXPECT_FALSE(left.get_future().get()) << "the late answer went nowhere";
  second.second->send(api::accepted(job_id{"b"}));
  EXPECT_EQ(stays.read()->status, 200U);
  EXPECT_EQ(gate.inside(), 0);
}

TEST_F(rechecked, a_held_poll_ends_with_what_the_gate_says_and_the_connection_goes_on) {
  served s{options(), true};
  auto worker = s.client();
  ASSERT_TRUE(worker.send(get("/job-take/w-1", with("w"))));
  const auto held = s.next();
  gate.reduce("w");
  const auto refused = worker.read();
  EXPECT_EQ(refused->status, 403U);
  EXPECT_NE(refused->body.find("forbidden"), std::string::npos);
  EXPECT_EQ(gate.seen(), std::set<std::string>{"job-take/{worker}"});
  ASSERT_TRUE(worker.send(get("/job-stop/w-1", with("another"))));
  const auto next = s.next();
  held.second->send(api::noted()); // of the poll before
  next.second->send(api::stops({}));
  EXPECT_EQ(worker.read()->status, 204U) << "its own answer, not the late one of the poll before";
}

TEST_F(rechecked, a_body_that_is_on_its_way_is_not_taken_any_more) {
  served s{options(), true};
  auto client = s.client();
  ASSERT_TRUE(
      client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                  with("leaver") + "Content-Length: 100\r\n\r\n{"));
  ASSERT_TRUE(gate.looked(1));
  gate.strike("leaver");
  EXPECT_EQ(client.read()->status, 401U);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(s.held(), 0U);
}

TEST_F(rechecked, a_stream_ends_whole_and_tells_nothing_more) {
  event_feed feed;
  served s{options()};
  s.server().redirect([&feed](api::call call, reply_ptr reply) {
    reply->send(event_stream(feed, std::get<api::events>(call)));
  });
  auto leaver = s.client();
  auto stays = s.client();
  for (auto* client : {&leaver, &stays}) {
    ASSERT_TRUE(client->send(get("/events", with(client == &leaver ? "leaver" : "stays"))));
    ASSERT_EQ(client->read()->status, 200U);
    ASSERT_TRUE(client->until("id: 0\n\n"));
  }
  EXPECT_EQ(gate.inside(), 0) << "a stream is no open request";
  gate.strike("leaver");
  EXPECT_TRUE(leaver.until("0\r\n\r\n")) << "the end of a chunked body";
  feed.publish("job", "secret", "{}");
  EXPECT_FALSE(leaver.until("secret"));
  EXPECT_TRUE(leaver.ended());
  EXPECT_TRUE(stays.until("id: 1\nevent: job\ndata: {}\n\n"));
}

TEST_F(rechecked, a_reader_that_does_not_read_is_cut_off) {
  event_feed feed;
  served s{options()};
  s.server().redirect([&feed](api::call call, reply_ptr reply) {
    reply->send(event_stream(feed, std::get<api::events>(call)));
  });
  raw_client slow{s.port(), 4096};
  ASSERT_TRUE(slow.send(get("/events", with("leaver"))));
  ASSERT_EQ(slow.read()->status, 200U);
  for (int i = 0; i < 400; ++i) {
    feed.publish("job", "a", "\"" + std::string(16'000, 'x') + "\"");
  }
  ASSERT_TRUE(gate.looked(2));
  gate.strike("leaver");
  ASSERT_TRUE(gate.looked(1));
  feed.publish("job", "secret", "{}");
  EXPECT_FALSE(slow.until("secret"));
  EXPECT_TRUE(slow.hung_up());
}

TEST_F(rechecked, the_gate_is_asked_only_while_something_is_open) {
  served s{options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/health", with("a"))));
  auto held = s.next();
  ASSERT_TRUE(gate.looked(2));
  held.second->send(api::counts({}, {}));
  EXPECT_EQ(client.read()->status, 200U);
  // The connection is idle: at most the look that was due already comes.
  ASSERT_TRUE(client.send(get("/health", with("a"))));
  held = s.next();
  held.second->send(api::counts({}, {}));
  EXPECT_EQ(client.read()->status, 200U);
  const int before = gate.looks();
  EXPECT_FALSE(s.held_within(4 * api::gate::recheck_pause));
  EXPECT_LE(gate.looks(), before + 1);
}

} // namespace
} // namespace tayfa
