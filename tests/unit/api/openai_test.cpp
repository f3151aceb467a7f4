// OpenAI's API: what becomes of a request, and what becomes of the end of its job.
#include "runtime/api/openai.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

namespace json = boost::json;

const limits bounds{.openai_wait = milliseconds{77'000}, .endpoints = {"tayfa", "other"}};

tl::expected<call, response> asked(const std::string& method, const std::string& target,
                                   std::string body = {}, principal who = {},
                                   std::string type = "application/json") {
  return parse({method, target, std::move(type), std::move(body), {}, {}, std::move(who)}, bounds);
}
openai taken(const std::string& method, const std::string& target, std::string body = {},
             principal who = {}) {
  auto parsed = asked(method, target, std::move(body), std::move(who));
  if (!parsed) {
    ADD_FAILURE() << method << ' ' << target << ": " << parsed.error().body;
    return {{}, {}, false};
  }
  return std::get<openai>(*parsed);
}
unsigned refused(const std::string& method, const std::string& target, std::string body = "{}",
                 std::string type = "application/json") {
  const auto parsed = asked(method, target, std::move(body), {}, std::move(type));
  return parsed ? 0 : parsed.error().status;
}

TEST(openai_request, becomes_the_job_that_runpods_workers_know) {
  const auto chat = taken("POST", "/v2/other/openai/v1/chat/completions",
                          R"({"model":"m","messages":[{"role":"user","content":"\u00e9 {"}]})");
  EXPECT_EQ(
      chat.job.input.view(),
      R"({"openai_route":"/v1/chat/completions","openai_input":{"model":"m","messages":[{"role":"user","content":"\u00e9 {"}]}})");
  EXPECT_EQ(chat.job.endpoint, "other");
  EXPECT_EQ(chat.job.policy.ttl, milliseconds{77'000});
  EXPECT_TRUE(chat.job.sync);
  EXPECT_FALSE(chat.streams);
  EXPECT_TRUE(chat.job.model.empty()); // it names a model of the worker's, not one of the catalogue
  EXPECT_EQ(chat.who.endpoints, std::vector<std::string>{"other"});
}

TEST(openai_request, of_every_route) {
  for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
    for (const std::string route : {"completions", "chat/completions", "embeddings", "responses",
                                    "audio/speech", "models/a%2Fb", "a/b/c/d/e/f/g/h"}) {
      EXPECT_EQ(taken("POST", prefix + "/openai/v1/" + route, "{}").job.input.view(),
                R"({"openai_route":"/v1/)" + route + R"(","openai_input":{}})");
    }
    EXPECT_EQ(taken("GET", prefix + "/openai/v1/models?x=%").job.input.view(),
              R"({"openai_route":"/v1/models","openai_input":{}})");
  }
}

TEST(openai_request, leads_nowhere_but_below_v1) {
  for (const std::string rest : {"",
                                 "/",
                                 "a/",
                                 "a//b",
                                 ".",
                                 "..",
                                 "a/../b",
                                 "%2e%2e/metrics",
                                 "%2E./x",
                                 "a%2F..%2F..%2Fx",
                                 "a%2f%2fb",
                                 "a%5C..%5Cb",
                                 "a%00b",
                                 "a%0d%0aHost:x",
                                 "a%7F",
                                 "\"x",
                                 "a%",
                                 "a%2",
                                 "a/b/c/d/e/f/g/h/i",
                                 "a|b",
                                 "{x}",
                                 "%2e%2e%2f",
                                 "a<b"}) {
    EXPECT_GE(refused("POST", "/openai/v1/" + rest), 400U) << rest;
    EXPECT_LE(refused("POST", "/v2/tayfa/openai/v1/" + rest), 404U) << rest;
  }
  EXPECT_EQ(refused("POST", "/openai/v1/" + std::string(openai_path_bytes, 'a')), 0U);
  EXPECT_EQ(refused("POST", "/openai/v1/" + std::string(openai_path_bytes + 1, 'a')), 404U);
  EXPECT_EQ(refused("POST", "/openai/v2/models"), 404U);
  EXPECT_EQ(refused("POST", "/openai"), 404U);
  EXPECT_EQ(refused("DELETE", "/openai/v1/models/m"), 405U);
  EXPECT_EQ(refused("POST", "/v2/stranger/openai/v1/completions"), 404U);
}

TEST(openai_request, streams_when_it_says_true) {
  EXPECT_TRUE(taken("POST", "/openai/v1/completions", R"({"stream" : true})").streams);
  EXPECT_FALSE(taken("POST", "/openai/v1/completions", R"({"stream":false})").streams);
  EXPECT_FALSE(taken("POST", "/openai/v1/completions", R"({"stream":null})").streams);
  EXPECT_FALSE(taken("POST", "/openai/v1/completions", R"({"x":{"stream":true}})").streams);
  for (const std::string value : {"1", "0", "\"true\"", "{}", "[]", "1.5"}) {
    EXPECT_EQ(refused("POST", "/openai/v1/completions", R"({"stream":)" + value + '}'), 400U);
  }
}

TEST(openai_request, body_is_one_object) {
  for (const std::string body :
       {"", "[]", "1", "\"x\"", "{", R"({"a":1},"openai_route":"/x")", R"({"a":1}})",
        R"({"stream":true,"stream":false})", R"({"a":NaN})", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(refused("POST", "/openai/v1/completions", body), 400U) << body;
  }
  EXPECT_EQ(refused("POST", "/openai/v1/completions", "{}", "multipart/form-data; boundary=x"),
            415U);
  EXPECT_EQ(refused("POST", "/openai/v1/completions", "{}", "text/plain"), 415U);
  // The body, nested one level deeper than received, must still be a valid input.
  const auto deep = [](std::size_t levels) {
    return R"({"a":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + '}';
  };
  EXPECT_EQ(refused("POST", "/openai/v1/completions", deep(63)), 0U);
  EXPECT_EQ(refused("POST", "/openai/v1/completions", deep(64)), 400U);
}

TEST(openai_request, is_submitted_with_the_rights_of_run) {
  const auto row = read_head("POST", "/openai/v1/completions", bounds);
  const auto run = read_head("POST", "/run", bounds);
  ASSERT_TRUE(row && run);
  EXPECT_EQ(row->needs, run->needs);
  EXPECT_EQ(row->body_bytes, bounds.runsync_body_bytes);
  EXPECT_EQ(read_head("GET", "/openai/v1/models", bounds)->body_bytes, 0U);
  const principal alice{
      .name = "a", .tenant = "alice", .is_operator = false, .endpoints = {"tayfa"}};
  const auto call = taken("POST", "/openai/v1/completions", "{}", alice);
  EXPECT_EQ(call.job.policy.tenant, "alice");
  EXPECT_EQ(call.who.tenant, "alice");
  const auto elsewhere = asked("POST", "/v2/other/openai/v1/completions", "{}", alice);
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().status, 403U);
}

TEST(openai_request, a_target_is_known_before_it_is_parsed) {
  EXPECT_TRUE(is_openai("/openai/v1/models"));
  EXPECT_TRUE(is_openai("/v2/x/openai/v1/models?y"));
  EXPECT_TRUE(is_openai("/openai/../"));
  for (const std::string other : {"", "/", "/run", "/v2/", "/v2/openai", "/v2/x/run",
                                  "/v2/x/y/openai/", "/openai", "/run?/openai/"}) {
    EXPECT_FALSE(is_openai(other)) << other;
  }
}

// ---- errors ------------------------------------------------------------------------------------

json::object error_of(const response& answer) {
  return json::parse(answer.whole_body()).as_object().at("error").as_object();
}
/// A member of the error, as text: what JSON has of it, without quotes.
std::string said(const response& answer, std::string_view key) {
  const auto error = error_of(answer);
  const auto& value = error.at(key);
  return value.is_string() ? std::string{value.as_string()} : json::serialize(value);
}
std::string header(const response& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) {
      return value;
    }
  }
  return {};
}
response ended_with(std::string text) {
  job_view view;
  view.state = job_state::FAILED;
  view.failure = error{errc::job_failed, std::move(text)};
  return openai_answer(openai_fault_of(view));
}

TEST(openai_errors, a_refusal_has_their_form_and_keeps_its_code) {
  const auto refusal = openai_refusal(refuse({errc::queue_full, "3 \"jobs\""}));
  EXPECT_EQ(refusal.status, 429U);
  EXPECT_EQ(header(refusal, "Retry-After"), "1");
  EXPECT_EQ(
      refusal.body,
      R"({"error":{"message":"the queue is full: 3 \"jobs\"","type":"rate_limit_error","param":null,"code":"queue_full"}})");
  EXPECT_EQ(said(openai_refusal(refuse({errc::unauthorized, {}})), "type"), "authentication_error");
  EXPECT_EQ(said(openai_refusal(refuse({errc::bad_json, {}})), "type"), "invalid_request_error");
  const auto again = openai_refusal(refusal);
  EXPECT_EQ(again.body, refusal.body);
  EXPECT_EQ(openai_refusal(accepted(job_id{"a"})).body, accepted(job_id{"a"}).body);
}

TEST(openai_errors, each_end_of_a_job_is_one) {
  for (const auto& [code, status] : {std::pair{errc::execution_timeout, 504U},
                                     {errc::ttl_expired, 504U},
                                     {errc::poison, 500U},
                                     {errc::max_attempts, 500U},
                                     {errc::bad_input, 400U},
                                     {errc::model_not_found, 404U},
                                     {errc::model_unavailable, 503U},
                                     {errc::lease_expired, 500U}}) {
    job_view view;
    view.state = job_state::FAILED;
    view.failure = error{code, "why"};
    const auto answer = openai_answer(openai_fault_of(view));
    EXPECT_EQ(answer.status, status) << to_string(code);
    EXPECT_EQ(said(answer, "code"), to_string(code));
    EXPECT_EQ(header(answer, "x-should-retry"), status == 503 ? "" : "false");
  }
  job_view cancelled;
  cancelled.state = job_state::CANCELLED;
  EXPECT_EQ(openai_answer(openai_fault_of(cancelled)).status, 409U);
}

TEST(openai_errors, of_a_handler_that_raised) {
  const auto plain = ended_with("CUDA is not available");
  EXPECT_EQ(plain.status, 500U);
  EXPECT_EQ(said(plain, "message"), "CUDA is not available");
  EXPECT_EQ(said(plain, "code"), "job_failed");
  // RunPod's SDK, of a function and of a generator: where it was raised is not the client's.
  EXPECT_EQ(
      said(
          ended_with(
              R"({"error_type":"<class 'ValueError'>","error_message":"no \u00e9","error_traceback":"File x"})"),
          "message"),
      "no é");
  EXPECT_EQ(said(ended_with("handler: no \ntraceback: File x"), "message"), "handler: no");
  EXPECT_EQ(said(ended_with(""), "message"), "the job reported an error");
}

TEST(openai_errors, that_a_worker_yielded_keeps_its_kind) {
  // str() of a dict, which is all that RunPod's SDK sends of {"error": {…}}.
  const auto unknown = ended_with(
      R"({'message': "The model `x` doesn't exist.", 'type': 'NotFoundError', 'param': None, 'code': 404})");
  EXPECT_EQ(unknown.status, 404U);
  EXPECT_EQ(said(unknown, "message"), "The model `x` doesn't exist.");
  EXPECT_EQ(said(unknown, "type"), "NotFoundError");
  EXPECT_EQ(said(unknown, "code"), "404");
  EXPECT_TRUE(said(unknown, "param") == "null");
  const auto broken = ended_with("{'message': 'vLLM died', 'type': 'worker_error', 'code': None}");
  EXPECT_EQ(broken.status, 500U);
  EXPECT_EQ(said(broken, "type"), "worker_error");
  EXPECT_EQ(ended_with(R"({"message":"m","code":422})").status, 422U);
  EXPECT_EQ(ended_with(R"({"message":"m","code":200})").status, 500U);
  EXPECT_EQ(ended_with("{'message': 'm', 'code': 404").status, 500U); // cut off: just a text
}

TEST(openai_errors, in_an_output) {
  const auto vllm = openai_fault_in(
      R"({"object":"error","message":"bad max_tokens","type":"BadRequestError","param":"max_tokens","code":400})");
  ASSERT_TRUE(vllm);
  EXPECT_EQ(vllm->status, 400U);
  EXPECT_EQ(vllm->param, R"("max_tokens")");
  EXPECT_EQ(openai_fault_in(R"({"error":{"message":"x","code":429}})")->status, 429U);
  EXPECT_EQ(openai_fault_in(R"({"error":"x"})")->message, "x");
  EXPECT_EQ(openai_fault_in(R"({"object":"error","code":50001})")->status, 500U);
  for (const std::string result :
       {R"({"object":"response","error":{"message":"part of a result"}})", R"({"error":null})",
        R"({"error":""})", R"({"id":"x","choices":[]})", "[]", "1", R"("error")", "null",
        R"({"object":"chat.completion","choices":[]})"}) {
    EXPECT_FALSE(openai_fault_in(result)) << result;
  }
}

TEST(openai_output, is_the_value_itself) {
  const auto whole = [](std::string text) {
    return openai_output(shared_text{std::move(text)}).whole_body();
  };
  EXPECT_EQ(whole(R"({"id":"x"})"), R"({"id":"x"})");
  EXPECT_EQ(whole(R"( [ {"id":"x, ]"} ] )"), R"({"id":"x, ]"})");
  EXPECT_EQ(whole("[1, 2]"), "[1, 2]");
  EXPECT_EQ(whole("[]"), "[]");
  EXPECT_EQ(whole("\"text\""), "\"text\"");
  const auto large = R"({"x":")" + std::string(100'000, 'y') + "\"}";
  EXPECT_EQ(whole('[' + large + ']'), large);
  EXPECT_EQ(openai_output(shared_text{large}).more.size(), 1U); // not copied
  EXPECT_EQ(openai_output(shared_text{R"([{"object":"error","code":404}])"}).status, 404U);
}

TEST(openai_output, that_is_text_of_events_goes_as_events) {
  const auto answer =
      openai_output(shared_text{R"(["data: {\"a\":1}\n\n","data: {\"a\":2}\n\n"])"});
  EXPECT_EQ(answer.content_type, "text/event-stream");
  EXPECT_EQ(answer.body, "data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n");
}

} // namespace
} // namespace tayfa::api
