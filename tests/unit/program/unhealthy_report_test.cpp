// The report of an unfit worker to the platform.
#include "cluster/program/runpod/unhealthy_report.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/telemetry/memory_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::HasSubstr;

class recorder final : public http_poster {
 public:
  std::vector<outgoing_call> calls;
  result<outgoing_answer> answer = outgoing_answer{200, "", {}};

  call_ticket send(outgoing_call call, std::function<void(result<outgoing_answer>)> done) override {
    calls.push_back(std::move(call));
    done(answer);
    return calls.size();
  }
  void drop(call_ticket, std::chrono::milliseconds) override {}
};

runpod::settings platform() {
  const std::vector<std::string> environment{
      "RUNPOD_WEBHOOK_GET_JOB=https://h.example/v2/ep/job-take/$ID?gpu=x",
      "RUNPOD_WEBHOOK_POST_OUTPUT=https://h.example/v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
      "RUNPOD_WEBHOOK_PING=https://h.example/v2/ep/ping/$RUNPOD_POD_ID?gpu=x", "RUNPOD_POD_ID=p1",
      "RUNPOD_AI_API_KEY=k"};
  return **runpod::settings_from(environment, "made-up");
}

const unhealthy why{"_memory_check", "RuntimeError: Insufficient memory: 1.00GB available"};

TEST(unhealthy_report, names_the_check_and_the_reason_once) {
  recorder post;
  const system_time time;
  memory_log log{time};
  report_unhealthy(platform(), why, post, log);
  ASSERT_EQ(post.calls.size(), 1U);
  EXPECT_EQ(post.calls.front().method, "GET");
  EXPECT_THAT(post.calls.front().url, HasSubstr("https://h.example/v2/ep/ping/p1?gpu=x"));
  EXPECT_THAT(post.calls.front().url, HasSubstr("&status=unhealthy&check=_memory_check&reason="));
}

TEST(unhealthy_report, a_missing_answer_delays_no_stop) {
  recorder post;
  post.answer = fail(errc::request_timeout);
  const system_time time;
  memory_log log{time};
  report_unhealthy(platform(), why, post, log);
  EXPECT_EQ(post.calls.size(), 1U);
  EXPECT_EQ(log.count("unhealthy_told outcome=request_timeout"), 1U);
}

TEST(unhealthy_report, is_the_logs_alone_where_there_are_no_pings) {
  recorder post;
  const system_time time;
  memory_log log{time};
  auto quiet = platform();
  quiet.pings = false;
  report_unhealthy(quiet, why, post, log);
  EXPECT_TRUE(post.calls.empty());
  EXPECT_EQ(log.count("fitness_check_failed check=_memory_check"), 1U);
}

TEST(unfit_note, remembers_what_the_checks_found_last) {
  auto note = std::make_shared<unfit_note>();
  bool unfit = true;
  const auto checks = noting(
      [&unfit](fitness_report& report, int) {
        check_row row;
        row.name = std::string{runpod_mark} + "_disk_check";
        row.verdict = unfit ? fitness::unfit : fitness::fit;
        row.value = "Insufficient disk space";
        report.rows.push_back(std::move(row));
      },
      note);
  EXPECT_FALSE(note->read());
  fitness_report first;
  checks(first, -1);
  ASSERT_TRUE(note->read());
  EXPECT_EQ(note->read()->check, "_disk_check");
  unfit = false;
  fitness_report second;
  checks(second, -1);
  EXPECT_FALSE(note->read());
}

} // namespace
} // namespace tayfa
