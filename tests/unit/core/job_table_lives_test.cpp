// A job's life beyond one good attempt: retries by a client, the dead list, poison, leases.
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
  EXPECT_EQ(std::get<assign_attempt>(done->second.at(1)).message.input.view(), "[7]");
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

// ---- poison and suspects ------------------------------------------------------------------------

TEST(job_table_lives, a_job_that_ends_its_engines_alone_fails_as_poison) {
  job_limits limits;
  limits.max_attempts = 9;
  limits.solo_crashes_max = 2;
  job_script s{limits};
  s.submit("a", job_script::request(), true);
  s.join(0);
  EXPECT_EQ(s.lose(0), "a IN_QUEUE (attempt_lost)");
  s.join(job_script::worker(0, 2));
  s.pass(milliseconds{100});
  EXPECT_THAT(s.expire(), HasSubstr("give a#2"));
  EXPECT_EQ(s.lose(0), "a FAILED (poisoned) watched");
  EXPECT_EQ(s.view("a").failure->code, errc::poison);
  EXPECT_THAT(s.view("a").failure->text, HasSubstr("attempt 2"));
  EXPECT_TRUE(s.detail("a").dead);
}

TEST(job_table_lives, a_job_whose_engines_are_killed_from_outside_is_no_poison) {
  job_limits limits;
  limits.max_attempts = 6;
  limits.solo_crashes_max = 1;
  job_script s{limits};
  s.submit("a");
  s.join(0);
  for (std::uint64_t life = 2; life <= 6; ++life) {
    EXPECT_EQ(s.killed_from_outside(0), "a IN_QUEUE (attempt_lost)");
    s.join(job_script::worker(0, life));
    s.pass(milliseconds{10'000});
    EXPECT_THAT(s.expire(), HasSubstr("give a#" + std::to_string(life)));
  }
  EXPECT_EQ(s.killed_from_outside(0), "a FAILED (attempts_exhausted)") << "yet it ends";
}

TEST(job_table_lives, members_of_a_run_whose_engine_was_killed_from_outside_are_no_suspects) {
  job_script s;
  s.join(w0, 2);
  s.submit("a");
  s.submit("b");
  s.killed_from_outside(0);
  s.pass(milliseconds{100});
  s.expire();
  EXPECT_THAT(s.join(w1, 2),
              ::testing::AllOf(HasSubstr("give a#2 to 1#1"), HasSubstr("give b#2 to 1#1")))
      << "side by side again";
}

TEST(job_table_lives, an_engine_that_was_asked_to_end_blames_no_job) {
  job_limits limits;
  limits.solo_crashes_max = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.lose(0, {errc::stopping, "drained"}), "a IN_QUEUE (attempt_lost)");
  s.submit("b");
  EXPECT_THAT(s.join(w1, 2), HasSubstr("give b#1"));
  s.pass(milliseconds{100});
  EXPECT_THAT(s.expire(), HasSubstr("give a#2 to 1#1")) << "side by side";
}

TEST(job_table_lives, jobs_that_were_together_when_their_engine_ended_run_alone_from_then_on) {
  job_script s;
  s.join(w0, 2);
  s.submit("a");
  s.submit("b");
  s.lose(0);
  s.pass(milliseconds{100});
  s.expire();
  EXPECT_EQ(s.join(w1, 4), "a IN_PROGRESS (assigned); give a#2 to 1#1");
  EXPECT_EQ(s.why("b"), "isolation");
  EXPECT_EQ(s.submit("c"), "") << "no job joins a suspect";
  EXPECT_EQ(s.complete(w1, attempt("a", 2)),
            "a COMPLETED (finished); b IN_PROGRESS (assigned); give b#2 to 1#1");
  EXPECT_EQ(s.lose(1), "b IN_QUEUE (attempt_lost)") << "its first lone kill";
  EXPECT_EQ(s.detail("b").history.size(), 2u);
}

TEST(job_table_lives, a_suspect_joins_no_other_job_although_there_is_room) {
  job_script s;
  s.join(0);
  s.submit("suspect");
  s.lose(0);
  s.join(w1, 2);
  s.submit("other");
  s.pass(milliseconds{100});
  EXPECT_EQ(s.expire(), "") << "its worker runs another job";
  EXPECT_EQ(s.submit("third"), "") << "the worker is kept for it";
  EXPECT_EQ(s.complete(w1, attempt("other", 1)),
            "other COMPLETED (finished); suspect IN_PROGRESS (assigned); give suspect#2 to 1#1");
}

TEST(job_table_lives, a_suspect_gets_its_worker_although_others_come_all_the_time) {
  job_limits limits;
  limits.retry_base = milliseconds{0};
  job_script s{limits};
  s.join(w0, 2);
  s.submit("x");
  s.submit("suspect");
  s.lose(0);
  s.submit("o0");
  s.join(w1, 3);
  // Another job always waits, and one ends while the others still run.
  job_filter running;
  running.state = job_state::IN_PROGRESS;
  int round = 0;
  for (; round < 20 && s.state("suspect") != "IN_PROGRESS"; ++round) {
    s.submit(("o" + std::to_string(2 * round + 1)).c_str());
    s.submit(("o" + std::to_string(2 * round + 2)).c_str());
    s.pass(milliseconds{500});
    s.expire();
    const auto runs = s.table.list(s.now, running).jobs;
    ASSERT_FALSE(runs.empty());
    s.complete(w1, {runs.back().id, runs.back().attempts});
  }
  EXPECT_EQ(s.state("suspect"), "IN_PROGRESS") << "after " << round << " ends of others";
}

// ---- leases -------------------------------------------------------------------------------------

TEST(job_table_lives, an_attempt_without_progress_loses_its_lease) {
  job_script s;
  s.join(w0, job_script::facts(1, true));
  s.submit("a");
  EXPECT_EQ(s.next(), seconds{120});
  s.pass(seconds{100});
  EXPECT_EQ(s.renewed(w0, attempt("a", 1)), "");
  s.pass(seconds{100});
  EXPECT_EQ(s.progress(w0, attempt("a", 1), 1, "1"), "");
  s.pass(seconds{100});
  EXPECT_EQ(s.partial(w0, attempt("a", 1), 1, "1"), "");
  s.pass(seconds{119});
  EXPECT_EQ(s.expire(), "");
  s.pass(seconds{1});
  EXPECT_EQ(s.expire(), "a IN_QUEUE (attempt_lost); revoke a#1 from 0#1");
  EXPECT_EQ(s.detail("a").history.at(0).failure->code, errc::lease_expired);
  s.pass(milliseconds{100});
  EXPECT_EQ(s.expire(), "") << "the engine is still at the revoked one";
  EXPECT_EQ(s.renewed(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale; a IN_PROGRESS (assigned); give a#2 to 0#1");
}

TEST(job_table_lives, a_worker_that_reports_no_steps_has_no_lease) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.next(), seconds{600}) << "the execution timeout";
}

TEST(job_table_lives, the_last_attempt_that_loses_its_lease_puts_the_job_on_the_dead_list) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(w0, job_script::facts(1, true));
  s.submit("a");
  s.pass(seconds{120});
  EXPECT_EQ(s.expire(), "a FAILED (attempts_exhausted); revoke a#1 from 0#1");
  EXPECT_TRUE(s.detail("a").dead);
  EXPECT_EQ(s.next(), hours{7 * 24}) << "kept longer than others";
}

} // namespace
} // namespace tayfa::testing
