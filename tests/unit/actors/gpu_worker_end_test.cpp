// The ends of an engine, and what others ask of its gpu_worker while it serves.
#include "tests/unit/actors/gpu_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(gpu_worker, a_crash_is_reported_with_what_ran) {
  gpu_script idle;
  idle.until_ready();
  idle.exits(0, SIGSEGV);
  EXPECT_EQ(
      idle.so_far(),
      (texts{"supervisor: moved SHUTDOWN crashed engine_crash", "supervisor: ended failed",
             "health: moved SHUTDOWN crashed engine_crash", "queue: worker_gone engine_crash"}));

  gpu_script first;
  first.until_ready();
  first.assign(attempt("a"));
  first.exits(0, SIGSEGV);
  EXPECT_THAT(first.so_far(), Contains("supervisor: ended in_job"));
  EXPECT_EQ(first.around.status.lost, 1U);

  gpu_script later;
  later.until_ready();
  later.assign(attempt("a"));
  later.finishes(attempt("a"));
  later.assign(attempt("b"));
  later.exits(0, SIGSEGV);
  EXPECT_THAT(later.so_far(), Contains("supervisor: ended in_later_job"));
}

TEST(gpu_worker, a_process_that_never_ran_did_not_crash) {
  gpu_script s;
  s.so_far();
  s.event(engine_exited{gpu_script::me, false, 0, 0, "no such program"});
  EXPECT_THAT(s.so_far(), Contains("queue: worker_gone engine_start"));
}

TEST(gpu_worker, a_crash_while_it_loads_makes_the_model_suspect) {
  gpu_script s{"wanted"};
  s.until_loading();
  s.so_far();
  s.exits(0, SIGSEGV);
  const auto seen = s.so_far();
  EXPECT_THAT(seen, Contains("loader: model_refused m engine_crash"));
  EXPECT_THAT(seen, Contains("supervisor: ended refresh"));
}

TEST(gpu_worker, a_kill_from_outside_is_no_jobs_fault) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.so_far();
  s.exits(0, SIGKILL);
  EXPECT_THAT(s.so_far(), Contains("queue: worker_gone engine_crash from outside"));
}

TEST(gpu_worker, nonsense_costs_the_process) {
  gpu_script s;
  s.until_ready();
  s.event(protocol_violation{gpu_script::me, error{errc::bad_frame, "no frame"}});
  EXPECT_EQ(s.so_far(),
            (texts{"process: SIGKILL", "supervisor: moved SHUTDOWN spoke_nonsense engine_protocol",
                   "health: moved SHUTDOWN spoke_nonsense engine_protocol",
                   "queue: worker_gone engine_protocol"}));
  s.event(protocol_violation{gpu_script::me, error{errc::bad_frame, "more of it"}});
  EXPECT_THAT(s.so_far(), IsEmpty());
}

TEST(gpu_worker, missed_heartbeats_cost_the_process_and_any_frame_counts_as_one) {
  gpu_script s;
  s.until_ready();
  const auto beat = s.knobs.engine_heartbeat;
  for (int i = 0; i < 20; ++i) {
    s.says(protocol::log{{}, 1, "alive"});
    s.pass(beat * static_cast<int>(s.knobs.engine_heartbeat_misses));
  }
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.pass(beat * 2);
  EXPECT_THAT(s.so_far(), Contains("queue: worker_gone engine_hang"));
}

TEST(gpu_worker, a_heartbeat_reaches_health) {
  gpu_script s;
  s.until_ready();
  s.says(protocol::heartbeat{7, 0, 0, 0});
  EXPECT_EQ(s.so_far(), texts{"health: engine_beat 7"});
}

TEST(gpu_worker, a_stop_is_polite_first_and_force_follows) {
  gpu_script s;
  s.until_ready();
  s.stop();
  EXPECT_EQ(s.so_far(), (texts{"engine: shutdown", "supervisor: moved SHUTDOWN stop_requested",
                               "health: moved SHUTDOWN stop_requested", "queue: worker_gone"}));
  const auto grace = s.knobs.engine_stop_grace;
  s.pass(grace);
  EXPECT_EQ(s.so_far(), texts{"process: SIGTERM"});
  s.pass(grace);
  EXPECT_EQ(s.so_far(), texts{"process: SIGKILL"});
  s.pass(grace);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended as_asked"}) << "it hangs in the kernel";
}

TEST(gpu_worker, a_stop_before_it_can_hear_is_a_signal) {
  gpu_script s;
  s.spawned();
  s.so_far();
  s.stop();
  EXPECT_THAT(s.so_far(), Contains("process: SIGTERM"));
  s.exits(0);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended as_asked"});
}

TEST(gpu_worker, an_engine_that_dies_while_it_stops_was_asked_to) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.stop();
  s.so_far();
  s.finishes(attempt("a"));
  EXPECT_THAT(s.so_far(), IsEmpty()) << "the queue has given up the attempt";
  s.exits(0, SIGSEGV);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended as_asked"});
  EXPECT_EQ(s.around.status.lost, 1U);
}

TEST(gpu_worker, a_killed_worker_kills_its_process) {
  gpu_script s;
  s.until_ready();
  caf::anon_send_exit(s.tested, caf::exit_reason::kill);
  s.settle();
  EXPECT_THAT(s.so_far(), Contains("process: SIGKILL"));
}

// ---- operators, models and new queues -----------------------------------------------------------

TEST(gpu_worker, a_drain_is_over_when_nothing_runs_and_nothing_more_has_come) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.so_far();
  s.tell(s.tested, drain_engine{gpu_script::me});
  EXPECT_EQ(s.so_far(), texts{"queue: drain_worker"});
  s.assign(attempt("b")); // the queue had decided so before
  s.finishes(attempt("a"));
  s.finishes(attempt("b"));
  s.so_far();
  s.pass(s.knobs.engine_heartbeat);
  EXPECT_THAT(s.so_far(), IsEmpty()) << "attempts came since the last look";
  s.says(protocol::log{});
  s.pass(s.knobs.engine_heartbeat);
  EXPECT_EQ(s.so_far(), texts{"supervisor: worker_drained"});
}

TEST(gpu_worker, an_undrained_worker_is_offered_again) {
  gpu_script s;
  s.until_ready();
  s.tell(s.tested, drain_engine{gpu_script::me});
  s.tell(s.tested, drain_engine{gpu_script::me, false});
  EXPECT_EQ(s.so_far(), (texts{"queue: drain_worker", "queue: worker_ready"}));
  s.pass(s.knobs.engine_heartbeat * 2);
  EXPECT_THAT(s.so_far(), Not(Contains("supervisor: worker_drained")));
}

TEST(gpu_worker, a_slot_that_leaves_while_it_runs_finishes_its_attempts_first) {
  gpu_script s; // POST /slots/count: the supervisor drains the slot, and stops it when drained
  s.until_ready();
  s.assign(attempt("a"));
  s.tell(s.tested, drain_engine{gpu_script::me});
  s.pass(s.knobs.engine_heartbeat * 2);
  EXPECT_THAT(s.so_far(), Not(Contains("supervisor: worker_drained")));
  s.finishes(attempt("a"));
  s.says(protocol::log{});
  s.pass(s.knobs.engine_heartbeat * 2);
  EXPECT_THAT(s.so_far(), Contains("supervisor: worker_drained"));
  s.stop();
  s.exits(0);
  EXPECT_THAT(s.so_far(), Contains("supervisor: ended as_asked"));
}

TEST(gpu_worker, another_model_is_loaded_by_another_process_when_nothing_runs) {
  gpu_script s;
  s.until_ready();
  s.tell(s.tested, change_worker_model{gpu_script::me, "m"});
  EXPECT_THAT(s.so_far(), IsEmpty()) << "it has that model";
  s.assign(attempt("a"));
  s.so_far();
  s.tell(s.tested, change_worker_model{gpu_script::me, "other"});
  EXPECT_THAT(s.so_far(), IsEmpty()) << "an attempt runs";
  EXPECT_EQ(s.around.status.next_model, "other");
  s.finishes(attempt("a"));
  EXPECT_THAT(s.so_far(), Contains("engine: shutdown"));
  s.exits(0);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended refresh"});

  gpu_script idle;
  idle.until_ready();
  idle.tell(idle.tested, change_worker_model{gpu_script::me, "other"});
  EXPECT_THAT(idle.so_far(), Contains("engine: shutdown"));
}

TEST(gpu_worker, a_job_may_ask_for_a_fresh_process) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.assign(attempt("b"));
  s.finishes(attempt("a"), true);
  EXPECT_THAT(s.so_far(), Not(Contains("engine: shutdown"))) << "the other attempt runs";
  s.finishes(attempt("b"));
  EXPECT_THAT(s.so_far(), Contains("engine: shutdown"));
  s.exits(0);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended refresh"});
}

TEST(gpu_worker, for_a_new_queue_its_attempts_are_void) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.so_far();
  s.directory.dispatcher = s.peer<dispatcher_actor>("next queue");
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.so_far(), texts{"engine: cancel a#1"});
  s.finishes(attempt("a"));
  EXPECT_THAT(s.so_far(), Contains("next queue: worker_ready"));
  s.directory.dispatcher = s.peer<dispatcher_actor>("last queue");
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.so_far(), texts{"last queue: worker_ready"}) << "nothing runs";
  s.tell(s.tested, s.directory);
  EXPECT_THAT(s.so_far(), IsEmpty()) << "the same queue";
}

} // namespace
} // namespace tayfa::testing
