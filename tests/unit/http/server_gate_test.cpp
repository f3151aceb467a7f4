// The gate as called by the server: once per request, before its body, and notified at its end.
#include "tests/unit/http/served.hpp"

#include <map>
#include <vector>

namespace tayfa {
namespace {

using namespace test;

/// Lets "Bearer good" in, and counts.
class counting_gate final : public api::gate {
 public:
  struct seen {
    api::scope needs;
    std::string route, endpoint, authorization, address;
  };

  tl::expected<api::principal, refusal> admit(const api::access_request& v) override {
    const std::lock_guard lock{mutex_};
    asked_.push_back({v.needs, std::string{v.route}, std::string{v.endpoint},
                      std::string{v.authorization}, std::string{v.address}});
    if (v.authorization == "Bearer busy") {
      return tl::unexpected(refusal{{errc::rate_limited, {}}, 7});
    }
    if (v.authorization != "Bearer good") {
      return tl::unexpected(refusal{{errc::unauthorized, {}}, 0});
    }
    ++inside_;
    return api::principal{"key", "alice", false};
  }
  void done(const api::access_request& v, const api::principal& who) override {
    const std::lock_guard lock{mutex_};
    --inside_;
    EXPECT_EQ(who.name, "key");
    EXPECT_EQ(v.address, "127.0.0.1");
    EXPECT_EQ(v.authorization, "");
    left_.notify_all();
  }

  std::vector<seen> asked() {
    const std::lock_guard lock{mutex_};
    return asked_;
  }
  int inside() {
    const std::lock_guard lock{mutex_};
    return inside_;
  }
  bool empties() {
    std::unique_lock lock{mutex_};
    return left_.wait_for(lock, 10s, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::vector<seen> asked_;
  int inside_ = 0;
};

constexpr std::string_view good = "Authorization: Bearer good\r\n";

class gated : public testing::Test {
 protected:
  http_options options() {
    auto o = quick_options();
    o.api.access_gate = &gate;
    return o;
  }
  counting_gate gate;
};

TEST_F(gated, the_gate_gets_route_endpoint_and_address) {
  served s{options()};
  auto client = s.client();
  EXPECT_EQ(client.ask(get("/v2/tayfa/status/a-1?x=1", good))->status, 200U);
  const auto asked = gate.asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].needs, api::scope::client);
  EXPECT_EQ(asked[0].route, "status/{id}");
  EXPECT_EQ(asked[0].endpoint, "tayfa");
  EXPECT_EQ(asked[0].authorization, "Bearer good");
  EXPECT_EQ(asked[0].address, "127.0.0.1");
  EXPECT_EQ(gate.inside(), 0);
}

TEST_F(gated, refusals) {
  served s{options()};
  auto client = s.client();
  const auto unknown = client.ask(get("/status/a-1"));
  EXPECT_EQ(unknown->status, 401U);
  EXPECT_TRUE(unknown->has("WWW-Authenticate: Bearer realm=\"tayfa\""));
  EXPECT_NE(unknown->body.find("unauthorized"), std::string::npos);
  const auto busy = client.ask(get("/status/a-1", "Authorization: Bearer busy\r\n"));
  EXPECT_EQ(busy->status, 429U);
  EXPECT_TRUE(busy->has("Retry-After: 7\r\n"));
  EXPECT_EQ(client.ask(get("/status/a-1", good))->status, 200U) << "the connection goes on";
  EXPECT_EQ(client.ask(get("/nothing"))->status, 404U);
  EXPECT_EQ(gate.asked().size(), 3U) << "a route that is none needs no key";
}

TEST_F(gated, it_is_asked_before_the_body) {
  served s{options()};
  auto client = s.client();
  ASSERT_TRUE(
      client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  "Content-Length: 10000000\r\n\r\n"));
  EXPECT_EQ(client.read()->status, 401U);
  EXPECT_TRUE(client.ended());
}

TEST_F(gated, two_keys_are_none) {
  served s{options()};
  auto client = s.client();
  EXPECT_EQ(client.ask(get("/ping", std::string{good} + "Authorization: Bearer other\r\n"))->status,
            400U);
  EXPECT_TRUE(gate.asked().empty());
}

TEST_F(gated, the_principal_goes_with_the_call) {
  served s{options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(post("/run", R"({"input":1})", good)));
  auto [call, reply] = s.next();
  EXPECT_EQ(std::get<api::submit>(call).job.policy.tenant, "alice");
  EXPECT_EQ(gate.inside(), 1);
  reply->send(api::accepted(job_id{"a"}));
  EXPECT_EQ(client.read()->status, 200U);
  EXPECT_EQ(gate.inside(), 0);
  EXPECT_EQ(client.ask(post("/run", R"({"input":1,"policy":{"tenant":"bob"}})", good))->status,
            403U);
  EXPECT_EQ(gate.inside(), 0);
}

TEST_F(gated, a_client_that_leaves_counts_no_more) {
  served s{options(), true};
  std::pair<api::call, reply_ptr> held;
  {
    auto client = s.client();
    ASSERT_TRUE(client.send(post("/run", R"({"input":1})", good)));
    held = s.next();
    auto other = s.client();
    ASSERT_TRUE(
        other.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                   std::string{good} + "Content-Length: 100\r\n\r\n{"));
  }
  EXPECT_TRUE(gate.empties());
}

TEST_F(gated, a_server_that_ends_leaves_no_request_counted) {
  {
    served s{options(), true};
    auto client = s.client();
    ASSERT_TRUE(client.send(post("/run", R"({"input":1})", good)));
    const auto held = s.next();
    EXPECT_EQ(gate.inside(), 1);
    s.destroy();
  }
  EXPECT_EQ(gate.inside(), 0);
}

TEST(http_results, one_that_is_too_large_ends_its_job) {
  auto options = quick_options();
  options.api.result_body_bytes = 1'000;
  options.api.chunk_body_bytes = 1'000;
  served s{options, true};
  for (const std::string framing :
       {"Content-Length: 1001\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"}) {
    auto client = s.client();
    ASSERT_TRUE(
        client.send("POST /job-done/w-1/a-1?isStream=false HTTP/1.1\r\nHost: localhost\r\n" +
                    framing + std::string(1'001, 'x')));
    EXPECT_EQ(client.read()->status, 413U);
    auto [call, reply] = s.next();
    const auto& lost = std::get<api::worker_result>(call);
    EXPECT_EQ(lost.kind, api::worker_result::what::failed);
    EXPECT_EQ(lost.from.worker, "w-1");
    EXPECT_EQ(lost.job, "a-1");
    EXPECT_EQ(lost.error, "the worker sent a result that is larger than 1000 bytes");
    reply->send(api::noted()); // its client is gone
  }
  auto client = s.client();
  ASSERT_TRUE(client.send("POST /job-stream/w-1/a-1 HTTP/1.1\r\nHost: localhost\r\n"
                          "Content-Length: 1001\r\n\r\n"));
  EXPECT_EQ(client.read()->status, 413U);
  EXPECT_EQ(s.held(), 0U);
}

} // namespace
} // namespace tayfa
