#include "runtime/base/random.hpp"
#include "runtime/core/job_ids.hpp"
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>
#include <type_traits>

namespace tayfa::testing {
namespace {

using ::testing::HasSubstr;

const auto w0 = job_script::worker(0);
const auto w1 = job_script::worker(1);
const auto attempt = &job_script::attempt;

// ---- taking jobs --------------------------------------------------------------------------------

TEST(job_table, a_job_waits_until_a_worker_has_room) {
  job_script s;
  EXPECT_EQ(s.submit("a"), "");
  EXPECT_EQ(s.state("a"), "IN_QUEUE");
  EXPECT_EQ(s.join(0), "a IN_PROGRESS (assigned); give a#1 to 0#1");
  EXPECT_EQ(s.submit("b"), "");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)),
            "a COMPLETED (finished); b IN_PROGRESS (assigned); give b#1 to 0#1");
  EXPECT_EQ(s.complete(w0, attempt("b", 1)), "b COMPLETED (finished)");
  EXPECT_EQ(s.submit("c"), "c IN_PROGRESS (assigned); give c#1 to 0#1");
}

TEST(job_table, the_assignment_carries_the_input) {
  job_script s;
  s.join(0);
  const auto done = s.table.submit(s.now, job_id{"a"}, job_script::request(R"({"x":1})"), false);
  ASSERT_TRUE(done);
  EXPECT_EQ(std::get<assign_attempt>(done->then.at(1)).message.input.view(), R"({"x":1})");
}

TEST(job_table, the_move_is_reported_before_the_attempt_is_given) {
  job_script s;
  s.join(0);
  const auto done = s.table.submit(s.now, job_id{"a"}, job_script::request(), false);
  ASSERT_TRUE(done);
  const auto& first = std::get<moved>(done->then.at(0));
  EXPECT_EQ(first.from, job_state::IN_QUEUE);
  EXPECT_EQ(first.view.attempts, 1u);
  EXPECT_EQ(first.view.worker, "slot-0");
}

TEST(job_table, an_id_is_taken_once) {
  job_script s;
  s.submit("a");
  EXPECT_EQ(s.submit("a"), "bad_request");
  s.cancel("a");
  EXPECT_EQ(s.submit("a"), "bad_request");
  EXPECT_EQ(s.submit(""), "bad_request");
}

TEST(job_table, a_full_queue_refuses_and_keeps_nothing) {
  job_limits limits;
  limits.queue_max = 2;
  job_script s{limits};
  s.join(0);
  s.submit("running");
  s.submit("a");
  s.submit("b");
  EXPECT_EQ(s.submit("c"), "queue_full");
  EXPECT_EQ(s.state("c"), "job_not_found");
  s.cancel("a");
  EXPECT_EQ(s.submit("c"), "");
}

TEST(job_table, a_lost_attempt_returns_even_to_a_full_queue) {
  job_limits limits;
  limits.queue_max = 1;
  job_script s{limits};
  s.join(0);
  s.submit("running");
  s.submit("a");
  EXPECT_EQ(s.lose(0), "running IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.submit("b"), "queue_full");
  EXPECT_EQ(s.table.counts().in_queue, 2u);
}

TEST(job_table, low_priority_waits_behind_everybody_else) {
  job_script s;
  s.submit_low("low1");
  s.submit("a");
  s.submit_low("low2");
  s.submit("b");
  EXPECT_THAT(s.join(0), HasSubstr("give a#1"));
  EXPECT_THAT(s.complete(w0, attempt("a", 1)), HasSubstr("give b#1"));
  EXPECT_THAT(s.complete(w0, attempt("b", 1)), HasSubstr("give low1#1"));
  EXPECT_THAT(s.complete(w0, attempt("low1", 1)), HasSubstr("give low2#1"));
}

TEST(job_table, a_priority_is_a_moment_so_that_every_job_gets_its_turn) {
  job_script s;
  s.submit_low("low"); // as urgent as a normal job of four steps later
  s.pass(milliseconds{4 * 60'000 - 1});
  s.submit("before");
  s.pass(milliseconds{2});
  s.submit("after");
  EXPECT_THAT(s.join(0), HasSubstr("give before#1"));
  EXPECT_THAT(s.complete(w0, attempt("before", 1)), HasSubstr("give low#1"));
  EXPECT_THAT(s.complete(w0, attempt("low", 1)), HasSubstr("give after#1"));
}

TEST(job_table, a_deadline_nearer_than_the_priority_comes_first_and_ends_nothing) {
  job_script s;
  s.submit("normal"); // four minutes of patience
  auto r = job_script::request();
  r.policy.deadline = milliseconds{1'000};
  s.submit("soon", r);
  auto high = job_script::request();
  high.policy.priority = job_policy::priority_max;
  high.policy.deadline = milliseconds{60'000}; // later than its priority: means nothing
  s.submit("urgent", high);
  s.pass(milliseconds{5'000});
  EXPECT_THAT(s.join(0), HasSubstr("give urgent#1"));
  EXPECT_THAT(s.complete(w0, attempt("urgent", 1)), HasSubstr("give soon#1"));
  EXPECT_THAT(s.complete(w0, attempt("soon", 1)), HasSubstr("give normal#1"));
}

// An id is a capability: a generator that can be foretold makes none.
static_assert(std::is_invocable_v<decltype(&make_job_id), system_secrets&, bool>);
static_assert(!std::is_invocable_v<decltype(&make_job_id), seeded_random&, bool>);

TEST(job_table, ids_have_runpods_form) {
  system_secrets secrets;
  const auto plain = make_job_id(secrets, false);
  const auto sync = make_job_id(secrets, true);
  EXPECT_EQ(plain.str().size(), 36u + 3u);
  EXPECT_TRUE(plain.str().ends_with("-t1"));
  EXPECT_TRUE(sync.str().starts_with("sync-"));
  EXPECT_TRUE(job_id::parse(plain.str()) && job_id::parse(sync.str()));
  EXPECT_NE(plain.str(), sync.str().substr(5));
}

// ---- choosing a worker --------------------------------------------------------------------------

TEST(job_table, the_worker_idle_longest_is_preferred) {
  job_script s;
  s.join(0);
  s.join(1);
  EXPECT_THAT(s.submit("a"), HasSubstr("to 0#1"));
  s.complete(w0, attempt("a", 1));
  EXPECT_THAT(s.submit("b"), HasSubstr("to 1#1"));
  s.complete(w1, attempt("b", 1));
  EXPECT_THAT(s.submit("c"), HasSubstr("to 0#1"));
}

TEST(job_table, an_idle_worker_is_preferred_to_a_busy_one_with_room) {
  job_script s;
  s.join(w0, 2);
  s.submit("a");
  s.join(w1, 2);
  EXPECT_THAT(s.submit("b"), HasSubstr("to 1#1"));
}

TEST(job_table, a_worker_never_holds_more_than_its_capacity) {
  job_script s;
  s.submit("a");
  s.submit("b");
  s.submit("c");
  EXPECT_EQ(s.join(w0, 2), "a IN_PROGRESS (assigned); give a#1 to 0#1; "
                           "b IN_PROGRESS (assigned); give b#1 to 0#1");
  EXPECT_EQ(s.state("c"), "IN_QUEUE");
}

TEST(job_table, a_draining_worker_finishes_but_takes_nothing) {
  job_script s;
  s.join(w0, 2);
  s.submit("a");
  EXPECT_EQ(s.drain(0), "");
  EXPECT_EQ(s.submit("b"), "");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "a COMPLETED (finished)");
  EXPECT_EQ(s.state("b"), "IN_QUEUE");
  EXPECT_THAT(s.join(w0, 2), HasSubstr("give b#1 to 0#1")) << "announced again, it drains no more";
}

// ---- lost attempts ------------------------------------------------------------------------------

TEST(job_table, lost_attempts_wait_a_pause_and_then_in_the_order_they_were_taken) {
  job_script s;
  s.join(w0, 2);
  s.submit("b1");
  s.submit("a2");
  s.submit("c3");
  EXPECT_EQ(s.lose(0, {errc::not_ready, ""}),
            "b1 IN_QUEUE (attempt_lost); a2 IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.why("b1"), "backoff");
  EXPECT_THAT(s.join(1), HasSubstr("give c3#1")) << "the others still pause";
  EXPECT_EQ(s.next(), milliseconds{100});
  s.pass(milliseconds{100});
  EXPECT_EQ(s.expire(), "");
  EXPECT_THAT(s.complete(w1, attempt("c3", 1)), HasSubstr("give b1#2"));
  EXPECT_THAT(s.complete(w1, attempt("b1", 2)), HasSubstr("give a2#2"));
  EXPECT_EQ(s.table.counts().retried, 2u);
}

TEST(job_table, a_lost_attempt_moves_to_another_worker_after_its_pause) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.join(1);
  EXPECT_EQ(s.lose(0), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.lose(0), "") << "lost twice is lost once";
  EXPECT_EQ(s.lose(9), "") << "a slot that was never announced";
  s.pass(milliseconds{99});
  EXPECT_EQ(s.expire(), "");
  s.pass(milliseconds{1});
  EXPECT_EQ(s.expire(), "a IN_PROGRESS (assigned); give a#2 to 1#1");
  EXPECT_EQ(s.view("a").attempts, 2u);
}

TEST(job_table, the_pause_doubles_with_every_lost_attempt_up_to_its_bound) {
  job_limits limits;
  limits.max_attempts = 9;
  limits.solo_crashes_max = 9;
  limits.retry_max = milliseconds{1'000};
  job_script s{limits};
  s.submit("a");
  s.join(0);
  std::vector<std::int64_t> pauses;
  for (std::uint64_t life = 2; life <= 7; ++life) {
    s.lose(0);
    s.join(job_script::worker(0, life));
    pauses.push_back(s.next().count());
    s.pass(s.next());
    EXPECT_THAT(s.expire(), HasSubstr("give a#" + std::to_string(life)));
  }
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{100, 200, 400, 800, 1000, 1000}));
}

TEST(job_table, what_is_not_the_jobs_fault_costs_it_no_attempt_and_no_pause) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.submit("a");
  s.join(0);
  for (std::uint32_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(s.lose(0, {errc::unavailable, "the queue was restarted"}),
              "a IN_QUEUE (attempt_lost)");
    EXPECT_THAT(s.join(0), HasSubstr("give a#" + std::to_string(n + 1)));
  }
  EXPECT_EQ(s.lose(0), "a FAILED (attempts_exhausted)");
}

TEST(job_table, the_last_allowed_attempt_lost_ends_the_job_with_the_reason) {
  job_limits limits;
  limits.max_attempts = 2;
  job_script s{limits};
  s.submit("a", job_script::request(), true);
  s.join(0);
  s.lose(0);
  s.join(job_script::worker(0, 2));
  s.pass(milliseconds{100});
  EXPECT_THAT(s.expire(), HasSubstr("give a#2"));
  EXPECT_EQ(s.lose(0), "a FAILED (attempts_exhausted) watched");
  const auto view = s.view("a");
  ASSERT_TRUE(view.failure);
  EXPECT_EQ(view.failure->code, errc::max_attempts);
  EXPECT_THAT(view.failure->text, HasSubstr("signal 11"));
  EXPECT_EQ(view.attempts, 2u);
  EXPECT_EQ(s.join(job_script::worker(0, 3)), "") << "never delivered again";
}

TEST(job_table, a_newer_process_in_the_slot_loses_the_older_one) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.join(job_script::worker(0, 2)), "a IN_QUEUE (attempt_lost)");
  s.pass(milliseconds{100});
  EXPECT_EQ(s.expire(), "a IN_PROGRESS (assigned); give a#2 to 0#2");
  EXPECT_EQ(s.join(w0), "") << "the dead one's late hello";
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(w0, attempt("a", 2)), "stale") << "right number, wrong life";
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
  EXPECT_EQ(s.table.counts().stale, 3u);
}

TEST(job_table, stopping_a_job_unasked_is_a_lost_attempt) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.stopped(w0, attempt("a", 1)), "a IN_QUEUE (attempt_lost)");
  s.pass(milliseconds{100});
  EXPECT_EQ(s.expire(), "a IN_PROGRESS (assigned); give a#2 to 0#1");
}

TEST(job_table, an_engine_that_did_not_take_the_attempt_says_nothing_of_the_job) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.failed(w0, attempt("a", 1), errc::not_ready), "a IN_QUEUE (attempt_lost)");
  s.pass(milliseconds{100});
  EXPECT_THAT(s.expire(), HasSubstr("give a#2 to 0#1"));
}

// ---- reports and the fence ----------------------------------------------------------------------

TEST(job_table, only_the_current_attempt_of_the_holder_is_heard) {
  job_script s;
  s.join(0);
  s.join(1);
  s.submit("a");
  EXPECT_EQ(s.started(w1, attempt("a", 1)), "stale") << "another worker";
  EXPECT_EQ(s.started(w0, attempt("a", 2)), "stale") << "an attempt that was never made";
  EXPECT_EQ(s.progress(w0, attempt("b", 1), 1, "1"), "stale") << "an unknown job";
  EXPECT_EQ(s.partial(job_script::worker(0, 2), attempt("a", 1), 1, "1"), "stale");
  EXPECT_EQ(s.complete(w1, attempt("a", 1)), "stale");
  EXPECT_EQ(s.table.counts().stale, 5u);
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
  EXPECT_EQ(s.started(w0, attempt("a", 1)), "");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "a COMPLETED (finished)");
  EXPECT_EQ(s.complete(w0, attempt("a", 1), "2"), "stale") << "a repeated frame";
  EXPECT_EQ(s.view("a").output.view(), "1");
}

TEST(job_table, an_error_of_the_job_keeps_code_and_text) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.failed(w0, attempt("a", 1), static_cast<std::uint16_t>(errc::bad_input), "no prompt"),
            "a FAILED (job_error)");
  EXPECT_EQ(s.view("a").failure, (error{errc::bad_input, "no prompt"}));
  s.submit("b");
  s.failed(w0, attempt("b", 1), 9999, "what");
  EXPECT_EQ(s.view("b").failure, (error{errc::job_failed, "what"}));
  EXPECT_EQ(s.table.counts().failed, 2u);
}

TEST(job_table, progress_shows_only_while_running_and_only_forward) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.progress(w0, attempt("a", 1), 2, "half"), "");
  EXPECT_EQ(s.progress(w0, attempt("a", 1), 1, "less"), "stale");
  EXPECT_EQ(s.progress(w0, attempt("a", 1), 2, "again"), "stale");
  EXPECT_EQ(s.view("a").output.view(), "half");
  s.lose(0);
  EXPECT_TRUE(s.view("a").output.empty()) << "the next attempt starts from nothing";
  s.pass(milliseconds{100});
  s.expire();
  s.join(1);
  EXPECT_EQ(s.progress(w1, attempt("a", 2), 1, "new"), "") << "an attempt numbers its own";
  s.failed(w1, attempt("a", 2), 40, "no");
  EXPECT_TRUE(s.view("a").output.empty()) << "progress is not a result";
  EXPECT_EQ(s.progress(w1, attempt("a", 2), 5, "late"), "stale");
}

TEST(job_table, chunks_are_read_once_and_in_order) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.stream("a"), "");
  s.partial(w0, attempt("a", 1), 1, "x");
  s.partial(w0, attempt("a", 1), 2, "y");
  EXPECT_EQ(s.partial(w0, attempt("a", 1), 2, "y"), "stale");
  EXPECT_EQ(s.stream("a"), "xy");
  EXPECT_EQ(s.stream("a"), "");
  s.partial(w0, attempt("a", 1), 3, "z");
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(s.stream("a"), "z") << "what was made before the end can still be read";
  EXPECT_EQ(s.stream("b"), "job_not_found");
}

TEST(job_table, unread_chunks_are_bounded_and_die_with_their_attempt) {
  job_limits limits;
  limits.chunks_max = 2;
  job_script s{limits};
  s.join(0);
  s.submit("a");
  for (std::uint32_t i = 1; i <= 5; ++i) {
    s.partial(w0, attempt("a", 1), i, std::to_string(i).c_str());
  }
  EXPECT_EQ(s.stream("a"), "45") << "the oldest were dropped";
  s.partial(w0, attempt("a", 1), 6, "6");
  s.lose(0);
  EXPECT_EQ(s.stream("a"), "");
}

} // namespace
} // namespace tayfa::testing
