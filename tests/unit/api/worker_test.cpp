// Requests of RunPod's SDK (1.12.0) to its platform, as recorded from the wire, and their answers.
#include "runtime/api/call.hpp"
#include "runtime/api/worker_body.hpp"
#include "runtime/api/worker_query.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

using what = worker_result::what;

const limits bounds{.endpoints = {"tayfa", "other"}};

template <class Call>
Call got(const std::string& target) {
  auto parsed = parse({"GET", target, "application/json", ""}, bounds);
  if (!parsed) {
    ADD_FAILURE() << target << ": " << parsed.error().body;
    return {};
  }
  return std::get<Call>(*parsed);
}
worker_result brought(std::string body, const std::string& target = "/job-done/w-1/a-1") {
  auto parsed =
      parse({"POST", target, "application/x-www-form-urlencoded", std::move(body)}, bounds);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().body;
    return {};
  }
  return std::get<worker_result>(*parsed);
}
unsigned refused(const std::string& method, const std::string& target) {
  const auto head = read_head(method, target, bounds);
  return head ? 0 : head.error().status;
}

TEST(worker_take, single_and_batch) {
  for (const std::string prefix : {"", "/v2/tayfa", "/v2/other"}) {
    const auto one =
        got<take_jobs>(prefix + "/job-take/w-1?gpu=NVIDIA+GeForce+RTX+4090&job_in_progress=0");
    EXPECT_EQ(one.from.endpoint, prefix.empty() ? "tayfa" : prefix.substr(4));
    EXPECT_EQ(one.from.worker, "w-1");
    EXPECT_EQ(one.from.device, "NVIDIA GeForce RTX 4090");
    EXPECT_EQ(one.wanted, 1U);
    EXPECT_FALSE(one.batch);
    EXPECT_FALSE(one.in_progress);
  }
  const auto many =
      got<take_jobs>("/v2/tayfa/job-take-batch/w1?gpu=RTX&batch_size=3&job_in_progress=1");
  EXPECT_EQ(many.wanted, 3U);
  EXPECT_TRUE(many.batch);
  EXPECT_TRUE(many.in_progress);
  EXPECT_EQ(got<take_jobs>("/job-take-batch/w1").wanted, 1U);
  EXPECT_EQ(got<take_jobs>("/job-take-batch/w1?batch_size=1000000000").wanted, take_max);
  // A template may say it already; what the SDK adds comes last.
  EXPECT_EQ(got<take_jobs>("/job-take-batch/w1?batch_size=1&batch_size=2").wanted, 2U);
  for (const std::string size : {"0", "-1", "x", "", "1.5", "%", "1000000001"}) {
    EXPECT_EQ(refused("GET", "/job-take-batch/w1?batch_size=" + size), 400U) << size;
  }
}

TEST(worker_take, parameters_that_are_not_read_may_be_broken) {
  EXPECT_EQ(refused("GET", "/job-take/w1?x=%zz&&=&%&job_in_progress=0&"), 0U);
  EXPECT_EQ(got<take_jobs>("/job-take/w1?gpu=" + std::string(500, 'g')).from.device.size(),
            device_bytes_max);
  EXPECT_EQ(got<take_jobs>("/job-take/w1?gpu=a%00%0a%7fb").from.device, "ab");
  EXPECT_EQ(got<take_jobs>("/job-take/w1?gpu=" + std::string(127, 'g') + "%C3%A9").from.device,
            std::string(127, 'g')); // cut between two characters
}

TEST(worker_place, names_are_ids) {
  const std::vector<std::pair<std::string, unsigned>> rows{
      {"w", 0},
      {"A-1_b.c", 0},
      {std::string(128, 'w'), 0},
      {std::string(129, 'w'), 404},
      {"", 404},
      {"a%20b", 404},
      {"a%2Fb", 404},
      {"%24ID", 404},
      {"%C3%A9", 404},
  };
  for (const auto& [name, status] : rows) {
    EXPECT_EQ(refused("GET", "/job-take/" + name), status) << name;
    EXPECT_EQ(refused("GET", "/job-stop/" + name), status) << name;
    EXPECT_EQ(refused("GET", "/v2/tayfa/ping/" + name), status) << name;
    EXPECT_EQ(refused("POST", "/job-done/" + name + "/a-1"), status) << name;
    EXPECT_EQ(refused("POST", "/job-stream/w-1/" + name),
              name.size() == 129 ? 0U : status); // room for what is put behind an id
  }
  EXPECT_EQ(refused("POST", "/job-done/w-1/" + std::string(161, 'a')), 404U);
  EXPECT_EQ(refused("POST", "/job-done/w-1"), 404U);
  EXPECT_EQ(refused("POST", "/job-done/w-1/a/b"), 404U);
  EXPECT_EQ(refused("POST", "/v2/stranger/job-done/w-1/a"), 404U);
  EXPECT_EQ(refused("GET", "/job-done/w-1/a"), 405U);
  EXPECT_EQ(refused("POST", "/job-take/w-1"), 405U);
}

TEST(worker_ping, what_it_holds) {
  const auto idle = got<worker_ping>("/v2/tayfa/ping/w-1?gpu=H200&runpod_version=1.12.0");
  EXPECT_EQ(idle.from.device, "H200");
  EXPECT_EQ(idle.version, "1.12.0");
  EXPECT_TRUE(idle.jobs.empty());
  EXPECT_EQ(idle.unfit, "");
  const auto busy = got<worker_ping>("/ping/w-1?job_id=a-1%2Cb-2,,a%20b,c-3&runpod_version=1");
  EXPECT_EQ(busy.jobs, (std::vector<std::string>{"a-1", "b-2", "c-3"}));
  const auto unfit = got<worker_ping>("/ping/w-1?status=unhealthy&check=_memory_check&reason="
                                      "RuntimeError%3A+Insufficient+memory&runpod_version=1.12.0");
  EXPECT_EQ(unfit.unfit, "_memory_check: RuntimeError: Insufficient memory");
  EXPECT_EQ(got<worker_ping>("/ping/w-1?status=fine&check=a&reason=b").unfit, "");
  EXPECT_EQ(
      got<worker_ping>("/ping/w-1?status=unhealthy&reason=" + std::string(600, 'r')).unfit.size(),
      unfit_bytes_max);
}

TEST(worker_result, completed) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {R"({"output": {"ok": "é"}})", R"({"ok": "é"})"},
      {R"({"output": null})", "null"},
      {R"({"output": []})", "[]"},
      {R"({"output": "text"})", R"("text")"},
      {R"({"output": 0})", "0"},
      {"{}", "{}"},
      {R"( { "output" : [1, 2] , "unknown": 1 } )", "[1, 2]"},
      {R"({"output": 1, "error": ""})", "1"},
      {R"({"output": 1, "error": null})", "1"},
      {R"({"output": 1, "error": false})", "1"},
      {R"({"output": 1, "error": 0.0})", "1"},
      {R"({"output": 1, "error": [ ]})", "1"},
      {R"({"output": 1, "error": {}})", "1"},
      {R"({"output": 1, "status": "COMPLETED"})", "1"},
      {R"({"output": {"status": "IN_PROGRESS", "error": "inside"}})",
       R"({"status": "IN_PROGRESS", "error": "inside"})"},
  };
  for (const auto& [body, output] : rows) {
    const auto result = brought(body);
    EXPECT_EQ(result.kind, what::completed) << body;
    EXPECT_EQ(result.output.view(), output) << body;
    EXPECT_EQ(result.error, "") << body;
    EXPECT_FALSE(result.stop_pod);
  }
}

TEST(worker_result, where_it_is_from) {
  const auto result =
      brought(R"({"output": []})", "/v2/other/job-done/w-1/a-1-r2?gpu=NVIDIA+H200&isStream=true");
  EXPECT_EQ(result.from.endpoint, "other");
  EXPECT_EQ(result.from.worker, "w-1");
  EXPECT_EQ(result.from.device, "NVIDIA H200");
  EXPECT_EQ(result.job, "a-1-r2");
  EXPECT_TRUE(result.is_stream);
  EXPECT_FALSE(brought("{}", "/job-done/w-1/a-1?gpu=x&isStream=false").is_stream);
}

TEST(worker_result, refreshed) {
  const auto result = brought(R"({"output": {"a": 1}, "stopPod": true})");
  EXPECT_TRUE(result.stop_pod);
  EXPECT_EQ(result.output.view(), R"({"a": 1})");
  EXPECT_EQ(brought(R"({"stopPod": true})").output.view(), "{}");
  EXPECT_TRUE(brought(R"({"error": "x", "stopPod": true})").stop_pod);
  EXPECT_FALSE(brought(R"({"output": 1, "stopPod": false})").stop_pod);
}

TEST(worker_result, progress) {
  const auto result = brought(R"({"status": "IN_PROGRESS", "output": "step 1/3"})");
  EXPECT_EQ(result.kind, what::progress);
  EXPECT_EQ(result.output.view(), R"("step 1/3")");
  EXPECT_EQ(brought(R"({"status":"IN_PROGRESS"})").output.view(), "{}");
}

TEST(worker_result, failed) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {R"({"error": "custom"})", "custom"},
      {R"({"output": {"rest": 1}, "error": "custom"})", "custom"},
      {R"({"error": "{\"error_type\": \"<class 'ValueError'>\", \"error_message\": \"\\u00e9\"}"})",
       R"({"error_type": "<class 'ValueError'>", "error_message": "\u00e9"})"},
      {R"({"error": {"message": "m", "code": null}})", R"({"message": "m", "code": null})"},
      {R"({"error": ["a"]})", R"(["a"])"},
      {R"({"error": 404})", "404"},
      {R"({"error": true})", "true"},
      {R"({"error": " "})", " "},
  };
  for (const auto& [body, text] : rows) {
    const auto result = brought(body);
    EXPECT_EQ(result.kind, what::failed) << body;
    EXPECT_EQ(result.error, text) << body;
    EXPECT_TRUE(result.output.empty()) << body;
  }
  const auto longest = brought(R"({"error": ")" + std::string(200'000, 'e') + "\"}");
  EXPECT_EQ(longest.error.size(), worker_error_bytes + std::string_view{" …"}.size());
}

TEST(worker_result, what_is_no_json_fails_its_job) {
  for (const std::string body :
       {R"({"output": {"loss": NaN}})", R"({"output": [Infinity, -Infinity]})", "", "{",
        R"({"output": 1} x)", R"(output=1)", "{\"output\": \"\xff\"}", R"({"output": 1e999})"}) {
    const auto result = brought(body);
    EXPECT_EQ(result.kind, what::failed) << body;
    EXPECT_EQ(result.error.rfind("the worker sent a result that is not valid JSON (as NaN", 0), 0U)
        << result.error;
  }
  for (const std::string body : {"[]", "null", "7", R"("output")", R"({"output":1,"output":2})"}) {
    const auto result = brought(body);
    EXPECT_EQ(result.kind, what::failed) << body;
    EXPECT_NE(result.error.find("no object as RunPod's SDK writes it"), std::string::npos);
  }
  const auto chunk = brought(R"({"output": NaN})", "/job-stream/w-1/a-1?isStream=false");
  EXPECT_EQ(chunk.kind, what::failed);
  EXPECT_EQ(chunk.job, "a-1");
  EXPECT_EQ(chunk.from.worker, "w-1");
  EXPECT_NE(chunk.error.find("a chunk of its stream"), std::string::npos);
}

TEST(worker_chunk, its_output) {
  auto parsed = parse({"POST", "/v2/other/job-stream/w-1/a-1?gpu=x&isStream=false",
                       "application/x-www-form-urlencoded", R"({"output": {"token": "é"}})"},
                      bounds);
  ASSERT_TRUE(parsed);
  const auto& chunk = std::get<worker_chunk>(*parsed);
  EXPECT_EQ(chunk.from.endpoint, "other");
  EXPECT_EQ(chunk.from.worker, "w-1");
  EXPECT_EQ(chunk.job, "a-1");
  EXPECT_EQ(chunk.output.view(), R"({"token": "é"})");
}

TEST(worker_answers, jobs) {
  const job_handout plain{"a-1", shared_text{R"({"x": 1})"}, "", ""};
  const job_handout full{"a-2", shared_text{"[]"}, R"({"accessId":"i"})", "https://h.example/x"};
  EXPECT_EQ(handed_out({plain}, false).body, R"({"id":"a-1","input":{"x": 1}})");
  EXPECT_EQ(
      handed_out({full}, false).body,
      R"({"id":"a-2","input":[],"s3Config":{"accessId":"i"},"webhook":"https://h.example/x"})");
  const auto both = handed_out({plain, full}, true);
  EXPECT_EQ(both.status, 200U);
  EXPECT_EQ(both.content_type, "application/json");
  EXPECT_EQ(boost::json::parse(both.body).as_array().size(), 2U);
  EXPECT_EQ(boost::json::parse(handed_out({plain}, true).body).as_array().size(), 1U);
  for (const bool batch : {false, true}) {
    EXPECT_EQ(handed_out({}, batch).status, 204U);
    EXPECT_EQ(handed_out({}, batch).body, "");
  }
}

TEST(worker_answers, stops_and_notes) {
  EXPECT_EQ(stops({"a-1", "b"}).body, R"({"jobsToStop":["a-1","b"]})");
  EXPECT_EQ(stops({}).status, 204U);
  EXPECT_EQ(noted().body, R"({"status":"ok"})");
}

TEST(worker_answers, the_list_of_workers) {
  remote_summary one;
  one.name = "w-1";
  one.endpoint = "tayfa";
  one.version = "1.12.0";
  one.device = "NVIDIA \"H200\"";
  one.jobs = {job_id{"a"}, job_id{"b"}};
  one.wanted = 2;
  one.silent = milliseconds{1'500};
  one.completed = 7;
  EXPECT_EQ(workers({one}).body,
            R"({"workers":[{"id":"w-1","endpoint":"tayfa","version":"1.12.0",)"
            R"("device":"NVIDIA \"H200\"","healthy":true,"jobs":["a","b"],"waiting":2,)"
            R"("silentMs":1500,"completed":7,"lost":0}]})");
  EXPECT_EQ(workers({}).body, R"({"workers":[]})");
}

} // namespace
} // namespace tayfa::api
