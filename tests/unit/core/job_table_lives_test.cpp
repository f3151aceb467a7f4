// What may happen to a job beyond one good attempt: retries by a client, the dead list, poison,
// delays, leases.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;

const auto w0 = job_script::worker(0);
const auto w1 = job_script::worker(1);
const auto attempt = &job_script::attempt;

// ---- retry --------------------------------------------------------------------------------------

TEST(job_table_lives, a_failed_job_runs_again_with_all_its_attempts_and_its_input) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a", job_script::request("[7]"));
  s.failed(w0, attempt("a", 1), errc::job_failed, "no");
  const auto done = s.table.retry(s.now, job_id{"a"});
  ASSERT_TRUE(done);
  EXPECT_EQ(text_of(done->second), "a IN_PROGRESS (assigned); give a#2 to 0#1")
      << "an attempt's number grows over all lives";
  EXPECT_EQ(std::get<give>(done->second.at(1)).message.input.view(), "[7]");
  EXPECT_FALSE(s.view("a").failure);
  EXPECT_EQ(s.detail("a").lives, 2u);
  EXPECT_EQ(s.detail("a").history.size(), 1u) << "the first life is not forgotten";
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(w0, attempt("a", 2)), "a COMPLETED (finished)");
}

TEST(job_table_lives, only_failed_and_timed_out_jobs_run_again) {
  job_script s;
  s.submit("waits");
  EXPECT_EQ(s.retry("waits"), "wrong_state");
  s.cancel("waits");
  EXPECT_EQ(s.retry("waits"), "wrong_state");
  EXPECT_EQ(s.retry("nobody"), "job_not_found");
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.retry("a"), "wrong_state");
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(s.retry("a"), "wrong_state");
}

TEST(job_table_lives, a_retry_begins_the_time_to_live_anew_but_not_the_age) {
  job_script s;
  auto r = job_script::request();
  r.policy.ttl = seconds{20};
  s.submit("a", r);
  s.pass(seconds{20});
  EXPECT_EQ(s.expire(), "a TIMED_OUT (ttl_expired)");
  s.pass(seconds{5});
  EXPECT_EQ(s.retry("a"), "");
  EXPECT_EQ(s.next(), seconds{20});
  EXPECT_EQ(s.detail("a").age, seconds{25});
  s.pass(seconds{1});
  EXPECT_THAT(s.join(0), HasSubstr("give a#1"));
  s.started(w0, attempt("a", 1));
  EXPECT_EQ(s.view("a").delay, seconds{1}) << "this life waited so long";
}

TEST(job_table_lives, a_retried_job_waits_behind_those_that_came_meanwhile) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  s.submit("runs");
  s.pass(seconds{1});
  s.submit("b");
  s.pass(seconds{1});
  EXPECT_EQ(s.retry("a"), "");
  EXPECT_THAT(s.complete(w0, attempt("runs", 1)), HasSubstr("give b#1"));
  EXPECT_THAT(s.complete(w0, attempt("b", 1)), HasSubstr("give a#2"));
}

TEST(job_table_lives, a_retry_keeps_the_bounds_of_a_submission) {
  job_limits limits;
  limits.queue_max = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  s.submit("b");
  s.submit("c");
  EXPECT_EQ(s.retry("a"), "queue_full");
  EXPECT_EQ(s.state("a"), "FAILED");
  s.table.stop_taking();
  EXPECT_EQ(s.retry("a"), "stopping");
}

TEST(job_table_lives, chunks_of_the_failed_life_are_gone_with_it) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  s.drain(0);
  EXPECT_EQ(s.retry("a"), "");
  EXPECT_EQ(s.stream("a"), "");
}

} // namespace
} // namespace tayfa::testing
