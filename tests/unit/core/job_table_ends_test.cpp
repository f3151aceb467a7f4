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

// ---- cancel -------------------------------------------------------------------------------------

TEST(job_table, cancelling_a_waiting_job_ends_it) {
  job_script s;
  s.submit("a", job_script::request(), true);
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested) watched");
  EXPECT_EQ(s.cancel("a"), "") << "it has ended already";
  EXPECT_EQ(s.join(0), "") << "no attempt starts after a cancel";
  EXPECT_EQ(s.cancel("b"), "job_not_found");
}

TEST(job_table, a_cancelled_job_shows_no_result_and_its_worker_stays_taken_until_it_says_so) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.progress(w0, attempt("a", 1), 1, "half");
  s.partial(w0, attempt("a", 1), 1, "x");
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested); revoke a#1 from 0#1");
  EXPECT_EQ(s.submit("b"), "") << "the engine is still at the cancelled one";
  EXPECT_TRUE(s.view("a").output.empty());
  EXPECT_EQ(s.stream("a"), "");
  EXPECT_EQ(s.progress(w0, attempt("a", 1), 2, "late"), "stale");
  EXPECT_EQ(s.partial(w0, attempt("a", 1), 2, "late"), "stale");
  EXPECT_EQ(s.stopped(w0, attempt("a", 1)), "stale; b IN_PROGRESS (assigned); give b#1 to 0#1");
  EXPECT_EQ(s.table.counts().stale, 2u) << "the asked-for end is no surprise";
}

TEST(job_table, a_result_that_comes_after_the_cancel_is_refused_and_counted) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.cancel("a");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.state("a"), "CANCELLED");
  EXPECT_TRUE(s.view("a").output.empty());
  EXPECT_EQ(s.table.counts().stale, 1u);
  EXPECT_THAT(s.submit("b"), HasSubstr("give b#1 to 0#1"));
}

TEST(job_table, cancelling_an_ended_job_shows_it_unchanged) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1), "42");
  auto answer = s.table.cancel(s.now, job_id{"a"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->first.state, job_state::COMPLETED);
  EXPECT_EQ(answer->first.output.view(), "42");
  EXPECT_TRUE(answer->second.empty());
}

// ---- time ---------------------------------------------------------------------------------------

TEST(job_table, the_execution_timeout_counts_from_started) {
  job_script s;
  auto r = job_script::request();
  r.policy.execution_timeout = seconds{10};
  s.join(0);
  s.submit("a", r);
  s.pass(seconds{9});
  s.started(w0, attempt("a", 1));
  EXPECT_EQ(s.next(), seconds{10});
  s.pass(seconds{5});
  s.started(w0, attempt("a", 1));
  EXPECT_EQ(s.next(), seconds{5}) << "said twice, it wins no time";
  s.pass(seconds{5});
  EXPECT_EQ(s.expire(), "a TIMED_OUT (execution_timeout); revoke a#1 from 0#1");
  EXPECT_EQ(s.view("a").failure->code, errc::execution_timeout);
  EXPECT_EQ(s.view("a").delay, seconds{9});
  EXPECT_EQ(s.view("a").execution, seconds{10});
  EXPECT_EQ(s.submit("b"), "") << "the revoked attempt still occupies its worker";
  EXPECT_THAT(s.lose(0), "");
  EXPECT_THAT(s.join(job_script::worker(0, 2)), HasSubstr("give b#1"));
}

TEST(job_table, without_started_the_execution_timeout_counts_from_the_assignment) {
  job_script s;
  s.pass(seconds{1});
  s.submit("a");
  s.pass(seconds{3});
  s.join(0);
  EXPECT_EQ(s.next(), seconds{600});
  s.pass(seconds{600} - milliseconds{1});
  EXPECT_EQ(s.expire(), "");
  s.pass(milliseconds{1});
  EXPECT_EQ(s.expire(), "a TIMED_OUT (execution_timeout); revoke a#1 from 0#1");
  EXPECT_EQ(s.view("a").delay, seconds{3});
}

TEST(job_table, the_time_to_live_counts_from_submit_waiting_or_running) {
  job_script s;
  auto r = job_script::request();
  r.policy.ttl = seconds{20};
  s.join(0);
  s.submit("runs", r);
  s.submit("waits", r);
  EXPECT_EQ(s.next(), seconds{20});
  s.pass(seconds{20});
  EXPECT_EQ(s.expire(), "runs TIMED_OUT (ttl_expired); revoke runs#1 from 0#1; "
                        "waits TIMED_OUT (ttl_expired)");
  EXPECT_EQ(s.detail("runs").input_bytes, 2u) << "a retry would want it";
  EXPECT_EQ(s.view("waits").failure->code, errc::ttl_expired);
  EXPECT_FALSE(s.view("waits").execution);
  EXPECT_EQ(s.table.counts().timed_out, 2u);
}

TEST(job_table, a_job_past_its_time_to_live_does_not_start_even_if_the_timer_is_late) {
  job_script s;
  auto r = job_script::request();
  r.policy.ttl = seconds{20};
  s.submit("a", r);
  s.submit("b");
  s.pass(seconds{21});
  EXPECT_EQ(s.join(0), "a TIMED_OUT (ttl_expired); b IN_PROGRESS (assigned); give b#1 to 0#1");
}

TEST(job_table, results_are_kept_for_their_time_and_then_forgotten) {
  job_script s;
  s.join(w0, 2);
  auto sync = job_script::request();
  sync.sync = true;
  s.submit("a");
  s.submit("s", sync);
  s.complete(w0, attempt("a", 1));
  s.complete(w0, attempt("s", 1));
  EXPECT_EQ(s.next(), seconds{60});
  s.pass(seconds{60});
  EXPECT_EQ(s.state("s"), "job_not_found") << "not even before the timer is served";
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.state("a"), "COMPLETED");
  s.pass(seconds{60 * 29});
  s.expire();
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_FALSE(s.table.next_deadline());
  EXPECT_EQ(s.table.counts().completed, 2u) << "counted for ever";
}

TEST(job_table, what_is_to_be_forgotten_soon_is_forgotten_together) {
  job_limits limits;
  limits.forget_step = milliseconds{100};
  job_script s{limits};
  s.join(w0, 2);
  auto sync = job_script::request();
  sync.sync = true;
  s.submit("a", sync);
  s.submit("b", sync);
  s.pass(milliseconds{10});
  s.complete(w0, attempt("a", 1));
  s.pass(milliseconds{30});
  s.complete(w0, attempt("b", 1));
  EXPECT_EQ(s.next(), seconds{60} + milliseconds{60});
  s.pass(seconds{60} - milliseconds{30});
  EXPECT_EQ(s.state("a"), "job_not_found") << "no client sees it after its time";
  EXPECT_EQ(s.state("b"), "COMPLETED");
  s.pass(milliseconds{90});
  s.expire();
  EXPECT_EQ(s.table.counts().kept, 0u);
  EXPECT_FALSE(s.table.next_deadline());
}

TEST(job_table, the_end_of_a_forgotten_job_still_frees_its_worker) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.cancel("a");
  s.pass(hours{1});
  s.expire();
  s.submit("b");
  EXPECT_EQ(s.stopped(w0, attempt("a", 1)), "stale; b IN_PROGRESS (assigned); give b#1 to 0#1");
}

// ---- stopping -----------------------------------------------------------------------------------

TEST(job_table, a_stopping_table_takes_nothing_and_gives_nothing) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.submit("b");
  s.table.stop_taking();
  EXPECT_EQ(s.submit("c"), "stopping");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "a COMPLETED (finished)");
  EXPECT_EQ(s.join(1), "");
  EXPECT_EQ(s.state("b"), "IN_QUEUE");
}

TEST(job_table, handing_back_revokes_what_runs_and_keeps_the_order) {
  job_script s;
  s.join(0);
  s.join(1);
  s.submit("a");
  s.submit("b");
  s.submit("c");
  EXPECT_EQ(s.hand_back(), "a IN_QUEUE (attempt_lost); revoke a#1 from 0#1; "
                           "b IN_QUEUE (attempt_lost); revoke b#1 from 1#1");
  EXPECT_EQ(s.table.running(), 0u);
  EXPECT_EQ(s.table.counts().in_queue, 3u);
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.submit("d"), "stopping");
  EXPECT_EQ(s.hand_back(), "");
}

TEST(job_table, the_counts_tell_how_it_stands) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.submit("b");
  s.submit("c");
  s.complete(w0, attempt("a", 1));
  s.cancel("c");
  const auto counts = s.table.counts();
  EXPECT_EQ(counts.completed, 1u);
  EXPECT_EQ(counts.cancelled, 1u);
  EXPECT_EQ(counts.in_progress, 1u);
  EXPECT_EQ(counts.in_queue, 0u);
  EXPECT_EQ(s.table.running(), 1u);
}

} // namespace
} // namespace tayfa::testing
