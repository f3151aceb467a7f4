#include "runtime/cli/progress_view.hpp"

#include "runtime/api/record_reader.hpp"
#include "runtime/api/records.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using std::chrono::milliseconds;

double of(std::string_view json) {
  return progress_of(boost::json::parse(json)).value_or(-1);
}

TEST(progress_of, numbers_texts_and_parts) {
  EXPECT_DOUBLE_EQ(of("42"), 0.42);
  EXPECT_DOUBLE_EQ(of("1"), 0.01);
  EXPECT_DOUBLE_EQ(of("1.0"), 1.0);
  EXPECT_DOUBLE_EQ(of("0.42"), 0.42);
  EXPECT_DOUBLE_EQ(of("62.5"), 0.625);
  EXPECT_DOUBLE_EQ(of("250"), 1.0);
  EXPECT_DOUBLE_EQ(of(R"("about 30 % done")"), 0.3);
  EXPECT_DOUBLE_EQ(of(R"("Update 1/4")"), 0.25);
  EXPECT_DOUBLE_EQ(of(R"({"percent": 0.5})"), 0.005);
  EXPECT_DOUBLE_EQ(of(R"({"progress": 0.5})"), 0.5);
  EXPECT_DOUBLE_EQ(of(R"({"fraction": "3/4"})"), 0.75);
  EXPECT_DOUBLE_EQ(of(R"({"update": 2, "updates": 8})"), 0.25);
  EXPECT_DOUBLE_EQ(of(R"({"step": 3, "total": 4, "note": "x"})"), 0.75);
}

TEST(progress_of, everything_else_says_nothing) {
  for (const char* const none :
       {"-1", "null", "true", "[1,2]", "{}", R"("step 3")", R"("1/0")", R"({"step": 3})",
        R"({"step": 3, "steps": 0})", R"({"percent": "x"})", R"({"percent": -1})", "-1e300"}) {
    EXPECT_EQ(of(none), -1) << none;
  }
}

wait_facts facts_of(std::string_view json) {
  const auto status = boost::json::parse(json).as_object();
  const auto job = api::read_record(api::job_fields, status);
  EXPECT_TRUE(job) << job.error().text;
  return wait_facts_of(job.value_or(job_view{}), status.if_contains("output"));
}

constexpr std::string_view running =
    R"({"id":"job-1","status":"IN_PROGRESS","workerId":"slot-0","output":{"percent":42}})";
constexpr std::string_view waiting =
    R"({"id":"job-1","status":"IN_QUEUE","waitReason":"no_worker"})";

TEST(progress_line, a_bar_where_the_job_says_how_far_it_is) {
  EXPECT_EQ(progress_line(facts_of(running), milliseconds{3'400}, 0, 80),
            "[########............]  42 %  IN_PROGRESS on slot-0  3.4 s  job-1");
  EXPECT_EQ(progress_line(facts_of(running), milliseconds{3'400}, 0, 200),
            "[############..................]  42 %  IN_PROGRESS on slot-0  3.4 s  job-1");
  EXPECT_EQ(progress_line(facts_of(running), milliseconds{3'400}, 0, 40),
            "[####......]  42 %  IN_PROGRESS…  3.4 s");
}

TEST(progress_line, else_a_spinner_and_why_it_waits) {
  EXPECT_EQ(progress_line(facts_of(waiting), milliseconds{120}, 0, 80),
            "|  IN_QUEUE: no worker is ready  120 ms  job-1");
  EXPECT_EQ(progress_line(facts_of(waiting), milliseconds{120}, 1, 30),
            "/  IN_QUEUE: no work…  120 ms");
}

TEST(progress_line, never_reaches_the_last_column_and_never_carries_an_escape) {
  const auto hostile = facts_of(
      R"({"id":"a","status":"IN_PROGRESS","waitReason":"\u009b31m","workerId":"\u0007\u001b[2J"})");
  for (std::size_t width = 12; width < 120; ++width) {
    const std::string line = progress_line(hostile, milliseconds{1}, width, width);
    EXPECT_LT(columns_of(line), width) << line;
    EXPECT_EQ(line, clean_line(line));
  }
}

TEST(plain_line, one_for_each_change) {
  EXPECT_EQ(plain_line(facts_of(waiting)), "job job-1: IN_QUEUE: no worker is ready\n");
  EXPECT_EQ(plain_line(facts_of(running)), "job job-1: IN_PROGRESS on slot-0, 40 %\n");
}

} // namespace
} // namespace tayfa
