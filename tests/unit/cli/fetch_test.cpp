#include "runtime/http_client/client.hpp"

#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

std::string url_of(const served& s, const std::string& path) {
  return "http://127.0.0.1:" + std::to_string(s.port()) + path;
}

client_request request_for(std::string url) {
  client_request r;
  r.url = std::move(url);
  return r;
}

TEST(fetch, gets_and_posts) {
  served s;
  const auto got = fetch(request_for(url_of(s, "/ping")));
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->status, 200U);
  EXPECT_EQ(got->body, R"({"status":"ready"})");
  auto post = request_for(url_of(s, "/run"));
  post.method = "POST";
  post.body = R"({"input":[1,2]})";
  EXPECT_EQ(fetch(post)->body, R"({"id":"job-5","status":"IN_QUEUE"})");
  post.body = body_of(std::size_t{9} << 20); // large enough for Expect: 100-continue
  EXPECT_EQ(fetch(post)->status, 200U);
  post.body = body_of(std::size_t{11} << 20);
  EXPECT_EQ(fetch(post)->status, 413U);
  auto empty = request_for(url_of(s, "/cancel/a"));
  empty.method = "POST";
  EXPECT_EQ(fetch(empty)->status, 200U);
  EXPECT_EQ(fetch(request_for(url_of(s, "/nothing")))->status, 404U);
}

TEST(fetch, ignores_the_proxy_of_the_environment_for_this_machine) {
  served s;
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);
  const auto got = fetch(request_for(url_of(s, "/ping")));
  ::unsetenv("http_proxy");
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->status, 200U);
}

/// Records the requests it is asked about.
struct noting_gate final : api::gate {
  tl::expected<api::principal, refusal> admit(const api::access_request& v) override {
    const std::lock_guard lock{mutex};
    authorization = v.authorization;
    return api::principal{};
  }
  void done(const api::access_request&, const api::principal&) override {}
  std::mutex mutex;
  std::string authorization;
};

TEST(fetch, brings_its_key) {
  noting_gate gate;
  auto options = quick_options();
  options.api.access_gate = &gate;
  served s{options};
  auto request = request_for(url_of(s, "/ping"));
  EXPECT_EQ(fetch(request)->status, 200U);
  EXPECT_EQ(gate.authorization, "");
  request.key = secret_text{"tayfa_key-1"};
  EXPECT_EQ(fetch(request)->status, 200U);
  EXPECT_EQ(gate.authorization, "Bearer tayfa_key-1");
  for (const char* const broken : {"a b", "a\r\nX: y", "a\x7F", "\xC3\xA9"}) {
    request.key = secret_text{broken};
    EXPECT_EQ(fetch(request).error().code, errc::bad_usage) << broken;
  }
}

TEST(fetch, no_server_at_the_address) {
  std::uint16_t port = 0;
  {
    served s;
    port = s.port();
  }
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/ping";
  const auto got = fetch(request_for(url));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::unavailable);
  EXPECT_NE(got.error().text.find(url), std::string::npos);
}

TEST(fetch, an_answer_that_does_not_come) {
  served s{quick_options(), true};
  auto request = request_for(url_of(s, "/ping"));
  request.idle_timeout = 100ms;
  const auto got = fetch(request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::request_timeout);
}

TEST(fetch, an_answer_that_is_too_large) {
  served s;
  auto request = request_for(url_of(s, "/ping"));
  request.response_bytes_max = 17;
  const auto got = fetch(request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::payload_too_large);
  request.response_bytes_max = 18;
  EXPECT_TRUE(fetch(request));
}

TEST(fetch, only_http) {
  for (const char* const url : {"", "no url at all", "file:///etc/hostname", "ftp://127.0.0.1/x"}) {
    const auto got = fetch(request_for(url));
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().code, errc::bad_usage) << url;
  }
}

} // namespace
} // namespace tayfa
