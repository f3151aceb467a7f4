#include "runtime/api/route.hpp"

#include <gtest/gtest.h>
#include <variant>

namespace tayfa::api {
namespace {

const limits bounds{.endpoints = {"tayfa", "other"}};

request post(std::string target, std::string body) {
  return {"POST", std::move(target), "application/json", std::move(body)};
}
request get(std::string target) {
  return {"GET", std::move(target), "", ""};
}

unsigned refusal(const request& r) {
  const auto parsed = parse(r, bounds);
  return parsed ? 0 : parsed.error().status;
}
std::string refusal_text(const request& r) {
  const auto parsed = parse(r, bounds);
  return parsed ? "taken" : parsed.error().body;
}
job_request taken(const request& r) {
  auto parsed = parse(r, bounds);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().body;
    return {};
  }
  return std::get<submit>(*parsed).job;
}

TEST(parse, every_route_with_and_without_prefix) {
  for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
    const std::string endpoint = prefix.empty() ? "tayfa" : prefix.substr(4);
    const auto run = parse(post(prefix + "/run", R"({"input":{}})"), bounds);
    ASSERT_TRUE(run) << prefix;
    EXPECT_EQ(std::get<submit>(*run).wait, milliseconds{0});
    EXPECT_FALSE(std::get<submit>(*run).job.sync);
    EXPECT_EQ(std::get<submit>(*run).job.endpoint, endpoint);
    const auto sync = parse(post(prefix + "/runsync", R"({"input":{}})"), bounds);
    ASSERT_TRUE(sync);
    EXPECT_EQ(std::get<submit>(*sync).wait, milliseconds{90'000});
    EXPECT_TRUE(std::get<submit>(*sync).job.sync);
    for (const std::string method : {"GET", "POST"}) {
      EXPECT_EQ(std::get<status>(*parse({method, prefix + "/status/a-1", "", ""}, bounds)).ask.id,
                job_id{"a-1"});
      EXPECT_EQ(std::get<stream>(*parse({method, prefix + "/stream/a-1", "", ""}, bounds)).ask.id,
                job_id{"a-1"});
    }
    EXPECT_EQ(std::get<cancel_job>(*parse(post(prefix + "/cancel/a-1", ""), bounds)).id,
              job_id{"a-1"});
    EXPECT_TRUE(std::holds_alternative<health>(*parse(get(prefix + "/health"), bounds)));
  }
  EXPECT_TRUE(std::holds_alternative<ping>(*parse(get("/ping"), bounds)));
  EXPECT_TRUE(std::holds_alternative<ping>(*parse({"HEAD", "/ping", "", ""}, bounds)));
  EXPECT_TRUE(std::holds_alternative<scrape>(*parse(get("/metrics"), bounds)));
}

TEST(parse, refuses_by_route) {
  struct row {
    std::string method, target;
    unsigned expected;
    std::string allow;
  };
  const std::vector<row> rows{
      {"GET", "/", 404, ""},
      {"GET", "/nothing", 404, ""},
      {"GET", "//health", 404, ""},
      {"GET", "/health/", 404, ""},
      {"GET", "/v2/health", 404, ""},
      {"GET", "/v2/stranger/health", 404, ""},
      {"GET", "/v2/tayfa/ping", 404, ""},
      {"GET", "/v2/tayfa/metrics", 404, ""},
      {"GET", "/v2/tayfa/status/a/b/c/d/e", 404, ""},
      {"GET", "/v2//health", 404, ""},
      {"GET", "/status", 404, ""},
      {"GET", "/status/", 404, ""},
      {"GET", "/status/a%2Fb", 404, ""},
      {"GET", "/status/%2e%2e%2fetc", 404, ""},
      {"GET", "/status/" + std::string(129, 'a'), 404, ""},
      {"GET", "/status/a%00", 404, ""},
      {"GET", "/status/a%0", 400, ""},
      {"GET", "/status/a%zz", 400, ""},
      {"GET", "/status/a b", 400, ""},
      {"GET", "/health#x", 400, ""},
      {"GET", "/h\xC3\xA9", 400, ""},
      {"GET", "", 400, ""},
      {"GET", "*", 400, ""},
      {"OPTIONS", "/nothing", 404, ""},
      {"GET", "http://127.0.0.1/health", 400, ""},
      {"GET", "/run", 405, "POST, OPTIONS"},
      {"HEAD", "/run", 405, "POST, OPTIONS"},
      {"GET", "/v2/tayfa/run", 405, "POST, OPTIONS"},
      {"PUT", "/runsync", 405, "POST, OPTIONS"},
      {"GET", "/cancel/a", 405, "POST, OPTIONS"},
      {"DELETE", "/status/a", 405, "GET, HEAD, POST, OPTIONS"},
      {"POST", "/health", 405, "GET, HEAD, OPTIONS"},
      {"TRACE", "/ping", 405, "GET, HEAD, OPTIONS"},
      {"get", "/health", 501, ""},
      {"", "/health", 501, ""},
      {"QUERY", "/run", 405, "POST, OPTIONS"},
      {"BREW", "/nothing", 501, ""},
  };
  for (const auto& r : rows) {
    const auto parsed = parse({r.method, r.target, "", ""}, bounds);
    ASSERT_FALSE(parsed) << r.method << ' ' << r.target;
    EXPECT_EQ(parsed.error().status, r.expected) << r.method << ' ' << r.target;
    const auto early = read_head(r.method, r.target, bounds);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().status, r.expected);
    if (r.allow.empty()) {
      EXPECT_TRUE(parsed.error().headers.empty());
    } else {
      ASSERT_EQ(parsed.error().headers.size(), 1U);
      EXPECT_EQ(parsed.error().headers[0], std::pair(std::string{"Allow"}, r.allow));
    }
  }
  EXPECT_TRUE(read_head("POST", "/run", bounds));
}

TEST(parse, percent_escapes_are_read_once_per_segment) {
  EXPECT_EQ(std::get<status>(*parse(get("/%73tatus/%61%2D1"), bounds)).ask.id, job_id{"a-1"});
  EXPECT_EQ(refusal(get("/status/%2561")), 404U); // "%61" is no id
  EXPECT_EQ(refusal(get("/v2%2Ftayfa/health")), 404U);
}

TEST(parse, wait_of_runsync) {
  const auto wait = [](const std::string& query) {
    const auto parsed = parse(post("/runsync" + query, R"({"input":1})"), bounds);
    return parsed ? std::get<submit>(*parsed).wait : milliseconds{-1};
  };
  EXPECT_EQ(wait("?wait=1000"), milliseconds{1'000});
  EXPECT_EQ(wait("?wait=300000"), milliseconds{300'000});
  EXPECT_EQ(wait("?a=b&wait=2500&c"), milliseconds{2'500});
  EXPECT_EQ(wait("?wait=%32000"), milliseconds{2'000});
  for (const char* const query : {"", "?", "?&&", "?WAIT=2000", "?waits=1"}) {
    EXPECT_EQ(wait(query), milliseconds{90'000}) << query;
  }
  for (const char* const query :
       {"?wait=1", "?wait=999", "?wait=300001", "?wait=", "?wait=x", "?wait=-5", "?wait=2000x",
        "?wait= 2000", "?wait=99999999999999999999"}) {
    EXPECT_EQ(wait(query), milliseconds{-1}) << query;
  }
  EXPECT_EQ(wait("?wait=2000&wait=3000"), milliseconds{-1});
  EXPECT_EQ(wait("?wait=%2"), milliseconds{-1});
}

TEST(parse, input_keeps_its_bytes) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {R"({"input":{"a" : 1.50,"b":[ ]}})", R"({"a" : 1.50,"b":[ ]})"},
      {"\n { \"x\":0 , \"input\" :\t[1,2 ,3]\r\n, \"y\": {} } ", "[1,2 ,3]"},
      {R"({"input":"\u00e9\"}{"})", R"("\u00e9\"}{")"},
      {R"({"inp\u0075t":7})", "7"},
      {R"({"input":1e5,"id":"mine","s3Config":{"accessId":"a"},"unknown":[{"input":2}]})", "1e5"},
      {R"({"a":{"input":1},"input":true})", "true"},
      {R"({"input":""})", R"("")"},
      {R"({"a":"\\","input":{"k":"]}\\"}})", R"({"k":"]}\\"})"},
  };
  for (const auto& [body, input] : rows) {
    EXPECT_EQ(taken(post("/run", body)).input.view(), input) << body;
  }
}

TEST(parse, policy_and_webhook) {
  const auto job = taken(post("/run", R"({"input":{},"webhook":"https://a.example/x?y=1",
    "policy":{"executionTimeout":5000,"ttl":604800000,"lowPriority":true,"other":[]}})"));
  EXPECT_EQ(job.webhook, "https://a.example/x?y=1");
  EXPECT_EQ(job.policy.execution_timeout, milliseconds{5'000});
  EXPECT_EQ(job.policy.ttl, milliseconds{604'800'000});
  EXPECT_EQ(job.policy.priority, job_policy::priority_low);
  const auto plain = taken(post("/run", R"({"input":{},"webhook":null,"policy":null})"));
  EXPECT_EQ(plain.policy, job_policy{});
  EXPECT_EQ(plain.webhook, "");
  const auto nulls = taken(post(
      "/run", R"({"input":{},"policy":{"ttl":null,"executionTimeout":null,"lowPriority":null}})"));
  EXPECT_EQ(nulls.policy, job_policy{});
  EXPECT_EQ(taken(post("/run", R"({"input":{},"policy":{"ttl":10000.0}})")).policy.ttl,
            milliseconds{10'000});
}

TEST(parse, refuses_bodies) {
  const std::string deep = R"({"input":)" + std::string(64, '[') + std::string(64, ']') + "}";
  const std::vector<std::pair<std::string, std::string>> rows{
      {"", "bad_json"},
      {"null", "bad_json"},
      {"[]", "bad_json"},
      {"\"input\"", "bad_json"},
      {"{", "bad_json"},
      {R"({"input":{}} x)", "bad_json"},
      {R"({"input":{}}{})", "bad_json"},
      {R"({"input":NaN})", "bad_json"},
      {R"({"input":Infinity})", "bad_json"},
      {R"({"input":1e999})", "bad_json"},
      {R"({"input":{},})", "bad_json"},
      {R"({"input":01})", "bad_json"},
      {R"({'input':1})", "bad_json"},
      {"{\"input\":\"\xff\"}", "bad_json"},
      {"{\"input\":\"\xc0\xaf\"}", "bad_json"},
      {"{\"input\":\"\xed\xa0\x80\"}", "bad_json"},
      {R"({"input":"\ud800"})", "bad_json"},
      {"{\"input\":\"a\nb\"}", "bad_json"},
      {"\xEF\xBB\xBF\xEF\xBB\xBF{\"input\":1}", "bad_json"}, // one mark is skipped, not two
      {"{\"input\":1}" + std::string(1, '\0'), "bad_json"},
      {R"({"input":1,"input":2})", "bad_json"},
      {R"({"input":1,"inpu\u0074":2})", "bad_json"},
      {R"({"input":1,"x":1,"x":1})", "bad_json"},
      {R"({"input":1,"policy":{"ttl":10000,"ttl":20000}})", "bad_json"},
      {deep, "bad_json"},
      {std::string(100'000, '['), "bad_json"},
      {"{}", "bad_request"},
      {R"({"Input":1})", "bad_request"},
      {R"({"input":null})", "bad_request"},
      {R"({"input":1,"policy":[]})", "bad_request"},
      {R"({"input":1,"policy":"fast"})", "bad_request"},
      {R"({"input":1,"policy":{"executionTimeout":4999}})", "bad_request"},
      {R"({"input":1,"policy":{"executionTimeout":604800001}})", "bad_request"},
      {R"({"input":1,"policy":{"executionTimeout":"9000"}})", "bad_request"},
      {R"({"input":1,"policy":{"executionTimeout":5000.5}})", "bad_request"},
      {R"({"input":1,"policy":{"ttl":9999}})", "bad_request"},
      {R"({"input":1,"policy":{"ttl":18446744073709551615}})", "bad_request"},
      {R"({"input":1,"policy":{"lowPriority":1}})", "bad_request"},
      {R"({"input":1,"webhook":5})", "bad_request"},
      {R"({"input":1,"webhook":""})", "bad_request"},
      {R"({"input":1,"webhook":"ftp://a/b"})", "bad_request"},
      {R"({"input":1,"webhook":"http://"})", "bad_request"},
      {R"({"input":1,"webhook":"http://a/\n"})", "bad_request"},
      {R"({"input":1,"webhook":"mailto:someone"})", "bad_request"},
      {R"({"input":1,"webhook":"http://a/)" + std::string(2048, 'x') + "\"}", "bad_request"},
  };
  for (const auto& [body, code] : rows) {
    EXPECT_EQ(refusal(post("/run", body)), 400U) << body.substr(0, 80);
    EXPECT_NE(refusal_text(post("/run", body)).find(R"("code":")" + code + '"'), std::string::npos)
        << body.substr(0, 80) << " -> " << refusal_text(post("/run", body));
  }
}

TEST(parse, depth_64_is_the_last_that_is_taken) {
  const auto nested = [](std::size_t n) {
    return R"({"input":)" + std::string(n, '[') + std::string(n, ']') + "}";
  };
  EXPECT_EQ(taken(post("/run", nested(63))).input.size(), 126U);
  EXPECT_EQ(refusal(post("/run", nested(64))), 400U);
}

TEST(parse, many_members_are_refused) {
  std::string body = R"({"input":1)";
  for (int i = 0; i < 64; ++i) {
    body += ",\"k" + std::to_string(i) + "\":0";
  }
  EXPECT_EQ(refusal(post("/run", body + "}")), 400U);
}

TEST(parse, content_type) {
  const auto with = [](std::string type) {
    return refusal({"POST", "/run", std::move(type), R"({"input":1})"});
  };
  EXPECT_EQ(with(""), 0U);
  EXPECT_EQ(with("application/json"), 0U);
  EXPECT_EQ(with("Application/JSON; charset=utf-8"), 0U);
  EXPECT_EQ(with("application/json ;x"), 0U);
  EXPECT_EQ(with("text/plain"), 415U);
  EXPECT_EQ(with("application/x-www-form-urlencoded"), 415U);
  EXPECT_EQ(with("application/jsonp"), 415U);
}

TEST(parse, a_small_input_frees_a_large_body) {
  const auto job = taken(post("/run", R"({"input":1,"pad":")" + std::string(1 << 20, 'x') + "\"}"));
  EXPECT_EQ(job.input.view(), "1");
}

TEST(read_head, the_largest_body_by_route) {
  const auto bytes = [](const std::string& method, const std::string& target) {
    const auto head = read_head(method, target, bounds);
    return head ? std::optional{head->body_bytes} : std::nullopt;
  };
  EXPECT_EQ(bytes("POST", "/run"), std::size_t{10} << 20);
  EXPECT_EQ(bytes("POST", "/v2/other/runsync?wait=1000"), std::size_t{20} << 20);
  EXPECT_EQ(bytes("POST", "/v2/other/job-done/w/j"), bounds.result_body_bytes);
  EXPECT_EQ(bytes("POST", "/job-stream/w/j?isStream=false"), bounds.chunk_body_bytes);
  EXPECT_EQ(bytes("POST", "/cancel/a"), 4096U);
  EXPECT_EQ(bytes("POST", "/status/a"), 4096U);
  EXPECT_EQ(bytes("GET", "/status/a"), 0U);
  EXPECT_EQ(bytes("GET", "/ping"), 0U);
  EXPECT_EQ(bytes("GET", "/run"), std::nullopt);
  EXPECT_EQ(bytes("POST", "/v2/stranger/run"), std::nullopt);
}

TEST(read_head, what_the_gate_is_asked) {
  const auto head = read_head("GET", "/v2/other/status/a-1?x", bounds);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->needs, scope::client);
  EXPECT_EQ(head->route, "status/{id}");
  EXPECT_EQ(head->endpoint, "other");
  EXPECT_EQ(read_head("POST", "/run", bounds)->endpoint, "tayfa");
}

TEST(read_head, its_route_is_what_parse_needs) {
  auto head = read_head("GET", "/v2/other/status-sync/a-1?wait=2000", bounds);
  ASSERT_TRUE(head);
  // The target is not read again: another one changes nothing.
  const auto call = parse(get("/ping"), std::move(*head->at), bounds);
  ASSERT_TRUE(call);
  const auto& asked = std::get<status>(*call);
  EXPECT_EQ(asked.ask.id.str(), "a-1");
  EXPECT_EQ(asked.ask.who.endpoints, std::vector<std::string>{"other"});
  EXPECT_EQ(asked.wait, milliseconds{2'000});
}

TEST(read_head, the_result_of_a_job_that_is_too_large_ends_it) {
  auto head = read_head("POST", "/v2/other/job-done/w/j?isStream=true", bounds);
  ASSERT_TRUE(head);
  const auto lost = result_lost(std::move(*head->at), {}, bounds);
  ASSERT_TRUE(lost);
  const auto& result = std::get<worker_result>(*lost);
  EXPECT_EQ(result.kind, worker_result::what::failed);
  EXPECT_EQ(result.job, "j");
  EXPECT_TRUE(result.is_stream);
  EXPECT_FALSE(result_lost(std::move(*read_head("POST", "/run", bounds)->at), {}, bounds));
}

} // namespace
} // namespace tayfa::api
