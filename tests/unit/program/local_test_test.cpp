// The SDK's local test: its lines, its form of a result, and the one call.
#include "cluster/program/runpod/local_test.hpp"
#include "cluster/program/runpod/one_shot.hpp"
#include "cluster/program/runpod/python_text.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string python(std::string_view json) {
  return python_text(boost::json::parse({json.data(), json.size()}));
}

TEST(python_text, is_what_repr_says) {
  // Each line was compared with Python 3.11.
  EXPECT_EQ(python(R"({"a": [1, -2, null, true, false], "b": {}})"),
            "{'a': [1, -2, None, True, False], 'b': {}}");
  EXPECT_EQ(python(R"("it's")"), "\"it's\"");
  EXPECT_EQ(python(R"("it's \"so\"")"), R"('it\'s "so"')");
  EXPECT_EQ(python(R"("a\\b\n\r\t\u0000\u001b\u007f")"), R"('a\\b\n\r\t\x00\x1b\x7f')");
  EXPECT_EQ(python("\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x88\""),
            "'\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x88'");
  EXPECT_EQ(python(R"("\u0085\u00a0\u00ad\u200b\u202e\u2028")"),
            R"('\x85\xa0\xad\u200b\u202e\u2028')");
  EXPECT_EQ(python("[1.0, 0.1, 100.0, 1e15, 1e16, 1.5e300, 0.0001, 0.00001, -0.0]"),
            "[1.0, 0.1, 100.0, 1000000000000000.0, 1e+16, 1.5e+300, 0.0001, 1e-05, -0.0]");
  EXPECT_EQ(python("[18446744073709551615, -9223372036854775808]"),
            "[18446744073709551615, -9223372036854775808]");
}

TEST(sdk_lines, have_two_forms) {
  EXPECT_EQ(format_sdk_line({log_level::info, "Job x completed successfully."}, false),
            "INFO   | Job x completed successfully.");
  EXPECT_EQ(format_sdk_line({log_level::error, "say \"no\"\n"}, true),
            R"({"requestId": null, "message": "say \"no\"\n", "level": "ERROR"})");
}

TEST(read_test_job, takes_what_a_client_could_say_and_nothing_of_the_platform) {
  const auto job = read_test_job(
      R"({"id": "j1", "webhook": "http://x", "input": {"a": 1}, "policy": {"ttl": 20000}})");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->id, "j1");
  EXPECT_EQ(job->body, R"({"input":{"a": 1},"policy":{"ttl": 20000}})");
  EXPECT_EQ(read_test_job(R"({"input": 0})")->id, "local_test");
  EXPECT_EQ(read_test_job(R"({"input": 0, "id": 7})")->id, "7");
  EXPECT_EQ(read_test_job("{\"input\": 0, \"id\": \"a\\u001bb\"}")->id, "a\\u001bb");
}

TEST(judge_test, prints_the_sdks_lines_for_a_job_that_completed) {
  const auto end =
      judge_test({"local_test", ""},
                 {200, "application/json", R"({"status":"COMPLETED","output":{"x":1.0}})", {}, {}});
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_THAT(end.lines,
              ElementsAre(sdk_line{log_level::info, "Job local_test completed successfully."},
                          sdk_line{log_level::info, "Job result: {'output': {'x': 1.0}}"},
                          sdk_line{log_level::info, "Local testing complete, exiting."}));
}

std::string failure_of(unsigned status, std::string body) {
  const auto end = judge_test({"j", ""}, {status, "application/json", std::move(body), {}, {}});
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_EQ(end.lines.size(), 1U);
  EXPECT_EQ(end.lines.front().level, log_level::error);
  return end.lines.front().text;
}

TEST(judge_test, anything_else_is_a_failure_and_says_why) {
  EXPECT_EQ(failure_of(200, R"({"status":"FAILED","error":"no cat"})"),
            "Job j failed with error: no cat");
  EXPECT_EQ(failure_of(200, R"({"status":"TIMED_OUT"})"), "Job j failed with error: TIMED_OUT");
  EXPECT_EQ(failure_of(200, R"({"status":"COMPLETED","output":{"error":"custom","x":1}})"),
            "Job j failed with error: custom")
      << "an error in the output is the job's failure, as for the SDK";
  EXPECT_EQ(failure_of(503, R"({"error":{"code":"stopping","message":"the pod is stopping"}})"),
            "Job j failed with error: the pod is stopping");
  EXPECT_THAT(failure_of(200, "nonsense"), HasSubstr("no answer"));
  EXPECT_THAT(failure_of(200, ""), HasSubstr("no answer"));
}

RC_GTEST_PROP(judge_test, any_answer_is_judged, (const std::string& body, bool ok)) {
  const auto end = judge_test({"j", ""}, {ok ? 200U : 500U, "application/json", body, {}, {}});
  RC_ASSERT(end.exit_code == 0 || end.exit_code == 1);
  RC_ASSERT(!end.lines.empty());
}

RC_GTEST_PROP(read_test_job, any_text_is_taken_or_refused, (const std::string& text)) {
  const auto job = read_test_job(text);
  RC_ASSERT(job.has_value() || job.error().code == errc::bad_input);
}

TEST(one_shot, makes_its_one_call_when_the_pod_opens_and_answers_once) {
  std::vector<api::response> answers;
  one_shot_gateway gateway{api::ping{}, [&answers](api::response r) { answers.push_back(r); }};
  std::string address;
  std::size_t calls = 0;
  reply_ptr open;
  gateway.open(
      [&](const api::call& c, reply_ptr r) {
        calls += std::holds_alternative<api::ping>(c) ? 1 : 0;
        open = std::move(r);
      },
      [&address](const result<std::string>& bound) { address = bound.value_or("failed"); });
  EXPECT_EQ(address, "none");
  EXPECT_EQ(calls, 1U);
  gateway.redirect([&calls](const api::call&, const reply_ptr&) { ++calls; });
  open->send(api::pinged(true));
  open->send(api::pinged(false));
  bool closed = false;
  gateway.close([&closed] { closed = true; });
  EXPECT_TRUE(closed);
  EXPECT_EQ(calls, 1U);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers.front().status, 200U);
}

} // namespace
} // namespace tayfa
