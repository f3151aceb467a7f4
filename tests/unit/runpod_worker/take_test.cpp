// Answers to a take: every row of the SDK's table, and what a hostile platform may send.
#include "tests/unit/runpod_worker/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using what = take_outcome::what;

take_outcome read_200(std::string body) {
  return read_take(answer(200, std::move(body)));
}

std::vector<std::string> ids_of(const take_outcome& outcome) {
  std::vector<std::string> ids;
  for (const taken_job& job : outcome.jobs) {
    ids.push_back(job.id);
  }
  return ids;
}

TEST(runpod_take, one_job) {
  const take_outcome outcome = read_200(
      "{\"id\": \"abc-u1\", \"input\": {\"a\" : [1.50, 1e2, \"\\u00e9\"]} , \"webhook\": 1}\n");
  EXPECT_EQ(outcome.kind, what::jobs);
  ASSERT_EQ(outcome.jobs.size(), 1U);
  EXPECT_EQ(outcome.jobs[0].id, "abc-u1");
  EXPECT_EQ(outcome.jobs[0].input.view(), R"({"a" : [1.50, 1e2, "\u00e9"]})"); // as it was written
  EXPECT_EQ(outcome.jobs[0].policy, job_policy{});
  EXPECT_EQ(outcome.jobs[0].s3_config, "");
  EXPECT_THAT(outcome.faulty, IsEmpty());
  EXPECT_THAT(outcome.remarks, IsEmpty());
}

TEST(runpod_take, lists_and_objects_on_either_route) {
  const take_outcome outcome = read_200(R"( [ {"id":"a","input":1} , {"input":"x","id":"b"} ] )");
  EXPECT_EQ(outcome.kind, what::jobs);
  EXPECT_THAT(ids_of(outcome), ElementsAre("a", "b"));
  EXPECT_EQ(outcome.jobs[0].input.view(), "1");
  EXPECT_EQ(outcome.jobs[1].input.view(), R"("x")");
  EXPECT_THAT(ids_of(read_200(R"([{"id":"a","input":null}])")), ElementsAre("a"));
}

TEST(runpod_take, any_input_is_one) {
  for (const char* input : {"null", "true", "0", "\"\"", "[]", "{}", "-1.0E-7"}) {
    const take_outcome outcome = read_200(std::string{R"({"id":"a","input":)"} + input + "}");
    ASSERT_EQ(outcome.jobs.size(), 1U) << input;
    EXPECT_EQ(outcome.jobs[0].input.view(), input);
  }
}

TEST(runpod_take, policy_and_s3_come_along) {
  const take_outcome outcome = read_200(
      R"({"id":"a","input":1,"policy":{"executionTimeout":60000,"ttl":900000,"lowPriority":true,)"
      R"("idempotencyKey":"k"},"s3Config":{"accessId": "x"},"batchId":"b"})");
  ASSERT_EQ(outcome.jobs.size(), 1U);
  EXPECT_EQ(outcome.jobs[0].policy.execution_timeout, milliseconds{60'000});
  EXPECT_EQ(outcome.jobs[0].policy.ttl, milliseconds{900'000});
  EXPECT_EQ(outcome.jobs[0].policy.priority, job_policy::priority_low);
  EXPECT_EQ(outcome.jobs[0].policy.idempotency_key, ""); // each platform id wants its own answer
  EXPECT_EQ(outcome.jobs[0].s3_config, R"({"accessId": "x"})");
  EXPECT_THAT(outcome.remarks, IsEmpty());
}

TEST(runpod_take, a_bad_policy_costs_the_job_nothing) {
  for (const char* rest : {R"("policy":{"executionTimeout":1})", R"("policy":7)",
                           R"("s3Config":"x")", R"("s3Config":[])"}) {
    const take_outcome outcome = read_200(std::string{R"({"id":"a","input":1,)"} + rest + "}");
    ASSERT_EQ(outcome.jobs.size(), 1U) << rest;
    EXPECT_EQ(outcome.jobs[0].policy, job_policy{});
    EXPECT_EQ(outcome.jobs[0].s3_config, "");
    EXPECT_EQ(outcome.remarks.size(), 1U) << rest;
  }
  EXPECT_THAT(read_200(R"({"id":"a","input":1,"policy":null,"s3Config":null})").remarks, IsEmpty());
}

struct nothing_row {
  const char* name;
  outgoing_answer given;
  what kind;
  std::size_t remarks;
};
TEST(runpod_take, no_job) {
  for (const nothing_row& row :
       {nothing_row{"204", answer(204, ""), what::none, 0},
        nothing_row{"204 with text", answer(204, "{}"), what::none, 0},
        nothing_row{"empty", answer(200, ""), what::none, 0},
        nothing_row{"empty list", answer(200, " [ ] "), what::none, 0},
        nothing_row{"null", answer(200, "null"), what::none, 0},
        nothing_row{"400", answer(400, "{}"), what::slow, 0},
        nothing_row{"no type", answer(200, R"({"id":"a","input":1})", ""), what::slow, 1},
        nothing_row{"text", answer(200, R"({"id":"a","input":1})", "text/plain"), what::slow, 1},
        nothing_row{"json of another kind",
                    answer(200, R"({"id":"a","input":1})", "application/jsonl"), what::slow, 1},
        nothing_row{"bad JSON", answer(200, "{"), what::slow, 1},
        nothing_row{"blank", answer(200, "  "), what::slow, 1},
        nothing_row{"a number", answer(200, "7"), what::slow, 1},
        nothing_row{"two values", answer(200, "{} {}"), what::slow, 1},
        nothing_row{"cut off", answer(200, R"({"id":"a","input":{"x":1})"), what::slow, 1},
        nothing_row{"cut list", answer(200, R"([{"id":"a","input":1})"), what::slow, 1},
        nothing_row{"comma at the end", answer(200, R"([{"id":"a","input":1},])"), what::slow, 1},
        nothing_row{"comma at the front", answer(200, R"([,{"id":"a","input":1}])"), what::slow, 1},
        nothing_row{"401", answer(401, "{}"), what::slow, 1},
        nothing_row{"404", answer(404, ""), what::slow, 1},
        nothing_row{"302", answer(302, ""), what::slow, 1},
        nothing_row{"429", answer(429, ""), what::busy, 0},
        nothing_row{"500", answer(500, ""), what::broken, 1},
        nothing_row{"503", answer(503, ""), what::broken, 1},
        nothing_row{"0", answer(0, ""), what::broken, 1}}) {
    const take_outcome outcome = read_take(row.given);
    EXPECT_EQ(outcome.kind, row.kind) << row.name;
    EXPECT_THAT(outcome.jobs, IsEmpty()) << row.name;
    EXPECT_THAT(outcome.faulty, IsEmpty()) << row.name;
    EXPECT_EQ(outcome.remarks.size(), row.remarks) << row.name;
  }
}

TEST(runpod_take, content_types) {
  for (const char* type : {"application/json", "application/json; charset=utf-8",
                           "Application/JSON ;x", "application/json\t"}) {
    EXPECT_EQ(read_take(answer(200, R"({"id":"a","input":1})", type)).kind, what::jobs) << type;
  }
}

TEST(runpod_take, no_answer) {
  for (const auto& [code, kind] :
       {std::pair{errc::request_timeout, what::none}, std::pair{errc::cancelled, what::none},
        std::pair{errc::stopping, what::none}, std::pair{errc::unavailable, what::broken},
        std::pair{errc::io_error, what::broken}, std::pair{errc::payload_too_large, what::broken},
        std::pair{errc::bad_request, what::broken}}) {
    const take_outcome outcome = read_take(fail(code, "text"));
    EXPECT_EQ(outcome.kind, kind) << to_string(code);
    EXPECT_EQ(outcome.remarks.empty(), kind == what::none) << to_string(code);
  }
}

TEST(runpod_take, retry_after) {
  for (const auto& [text, ms] :
       {std::pair{"7", 7'000}, std::pair{"0", 5'000}, std::pair{"", 5'000}, std::pair{"1.5", 5'000},
        std::pair{"-1", 5'000}, std::pair{"Wed, 21 Oct 2015 07:28:00 GMT", 5'000},
        std::pair{"100000", 300'000}, std::pair{"99999999999999999999", 300'000}}) {
    EXPECT_EQ(read_take(answer_after(429, text)).pause.count(), ms) << text;
  }
  EXPECT_EQ(read_take(answer(429, "")).pause, milliseconds{5'000});
  EXPECT_EQ(read_take(answer_after(503, "3")).pause, milliseconds{3'000});
  EXPECT_EQ(read_take(answer_after(400, "2")).pause, milliseconds{2'000});
  EXPECT_EQ(read_take(answer(503, "")).pause, milliseconds{0});
}

struct faulty_row {
  std::string element;
  errc code;
};
TEST(runpod_take, jobs_without_a_usable_rest_end_at_once) {
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  for (const faulty_row& row : {faulty_row{R"({"id":"x"})", errc::bad_request},
                                faulty_row{R"({"id":"x","Input":1})", errc::bad_request},
                                faulty_row{R"({"id":"x","input":)" + deep + "}", errc::bad_json},
                                faulty_row{R"({"id":"x","input":1e999})", errc::bad_json},
                                faulty_row{R"({"id":"x","input":NaN})", errc::bad_json},
                                faulty_row{R"({"input":"\ud800","id":"x"})", errc::bad_json},
                                faulty_row{R"({"id":"x","input":})", errc::bad_json},
                                faulty_row{"{\"id\":\"x\",\"input\":\"\xff\"}", errc::bad_json}}) {
    for (const std::string& body :
         {row.element, R"([{"id":"a","input":1},)" + row.element + R"(,{"id":"b","input":2}])"}) {
      const take_outcome outcome = read_200(body);
      EXPECT_EQ(outcome.kind, what::jobs) << body;
      ASSERT_EQ(outcome.faulty.size(), 1U) << body;
      EXPECT_EQ(outcome.faulty[0].first, "x");
      EXPECT_EQ(outcome.faulty[0].second.code, row.code) << body;
      EXPECT_EQ(outcome.jobs.size(), body.starts_with('[') ? 2U : 0U) << body;
    }
  }
}

TEST(runpod_take, jobs_without_a_usable_id_are_remarked) {
  const std::vector<std::string> elements = {"7",
                                             "null",
                                             "[]",
                                             "\"a\"",
                                             "{}",
                                             R"({"input":1})",
                                             R"({"id":7,"input":1})",
                                             R"({"id":null,"input":1})",
                                             R"({"id":"","input":1})",
                                             R"({"id":".","input":1})",
                                             R"({"id":"..","input":1})",
                                             R"({"id":"a\nb","input":1})",
                                             R"({"id":"\u0085","input":1})",
                                             R"({"id":"\u0000","input":1})",
                                             R"({"id":"\u007f","input":1})",
                                             R"({"id":"\ud800","input":1})",
                                             "{\"id\":\"\xff\",\"input\":1}",
                                             R"({"id":")" + std::string(513, 'a') +
                                                 R"(","input":1})",
                                             "nonsense"};
  for (const std::string& element : elements) {
    const take_outcome alone = read_200("[" + element + ",7]");
    EXPECT_EQ(alone.kind, what::slow) << element;
    EXPECT_FALSE(alone.remarks.empty()) << element;
    const take_outcome outcome = read_200("[" + element + R"(,{"id":"ok","input":1}])");
    EXPECT_EQ(outcome.kind, what::jobs) << element;
    EXPECT_THAT(ids_of(outcome), ElementsAre("ok")) << element;
    EXPECT_THAT(outcome.faulty, IsEmpty()) << element;
    EXPECT_EQ(outcome.remarks.size(), 1U) << element;
  }
}

TEST(runpod_take, odd_ids_that_are_ids) {
  const std::string longest(512, 'a');
  for (const auto& [written, id] : {std::pair<std::string, std::string>{"a b/c?d", "a b/c?d"},
                                    std::pair<std::string, std::string>{R"(\u00e9\"\\)", "é\"\\"},
                                    std::pair<std::string, std::string>{"...", "..."},
                                    std::pair<std::string, std::string>{longest, longest}}) {
    EXPECT_THAT(ids_of(read_200(R"({"id":")" + written + R"(","input":1})")), ElementsAre(id));
  }
}

TEST(runpod_take, of_a_key_twice_the_last_counts_as_in_python) {
  const take_outcome outcome = read_200(R"({"id":"a","input":1,"input":2,"id":"b","\u0069d":"c"})");
  ASSERT_THAT(ids_of(outcome), ElementsAre("c"));
  EXPECT_EQ(outcome.jobs[0].input.view(), "2");
}

TEST(runpod_take, many_members_are_no_obstacle) {
  std::string body = R"({"id":"a")";
  for (int i = 0; i < 500; ++i) {
    body += ",\"extra" + std::to_string(i) + "\":{\"id\":\"no\"}";
  }
  EXPECT_THAT(ids_of(read_200(body + R"(,"input":1})")), ElementsAre("a"));
}

TEST(runpod_take, the_same_id_twice_runs_once) {
  const take_outcome outcome =
      read_200(R"([{"id":"a","input":1},{"id":"a","input":2},{"id":"a"}])");
  ASSERT_THAT(ids_of(outcome), ElementsAre("a"));
  EXPECT_EQ(outcome.jobs[0].input.view(), "1");
  EXPECT_THAT(outcome.faulty, IsEmpty());
  EXPECT_EQ(outcome.remarks.size(), 2U);
}

TEST(runpod_take, bounds) {
  std::string body = "[";
  for (std::size_t i = 0; i < batch_most + 5; ++i) {
    body += (i > 0 ? "," : "") + std::string{R"({"id":"j)"} + std::to_string(i) + R"(","input":1})";
  }
  const take_outcome many = read_200(body + "]");
  EXPECT_EQ(many.jobs.size(), batch_most);
  EXPECT_THAT(many.remarks, ElementsAre(HasSubstr("5 jobs too many")));

  std::string odd = "[1";
  for (int i = 0; i < 900; ++i) {
    odd += ",1";
  }
  EXPECT_LE(read_200(odd + "]").remarks.size(), 16U);
  EXPECT_EQ(read_200(std::string(take_bytes_max + 1, ' ')).kind, what::slow);
  EXPECT_EQ(read_200(std::string(1'000'000, '[')).kind, what::slow);
}

TEST(runpod_take, one_large_input_keeps_the_memory_it_came_in) {
  std::string body = R"({"id":"a","input":")" + std::string(4'000'000, 'x') + R"("})";
  const char* const where = body.data();
  const take_outcome outcome = read_take(answer(200, std::move(body)));
  ASSERT_EQ(outcome.jobs.size(), 1U);
  EXPECT_EQ(outcome.jobs[0].input.size(), 4'000'002U);
  EXPECT_EQ(outcome.jobs[0].input.view().data(), where);
}

} // namespace
} // namespace tayfa::runpod
