// An engine's start, load and attempts as its gpu_worker sees them, and messages at a wrong time.
#include "tests/unit/actors/gpu_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

// ---- starting and loading -----------------------------------------------------------------------

TEST(gpu_worker, an_engine_starts_loads_and_is_offered_to_the_queue) {
  gpu_script s{"wanted"};
  EXPECT_EQ(s.so_far(), texts{"process: start 0#1"});
  s.spawned();
  EXPECT_EQ(s.so_far(), (texts{"supervisor: moved INITIALIZING spawned",
                               "health: moved INITIALIZING spawned"}));
  s.says(s.a_hello(4, 2));
  EXPECT_EQ(s.so_far(), (texts{"engine: welcome", "supervisor: moved LOADING_MODEL said_hello",
                               "health: moved LOADING_MODEL said_hello",
                               "loader: want_model wanted", "engine: load_model m"}));
  EXPECT_EQ(s.around.status.model, "m");
  EXPECT_EQ(s.around.status.device, "cuda:0 NVIDIA H200");
  s.loads();
  EXPECT_EQ(s.so_far(), (texts{"supervisor: moved READY warmed_up", "health: moved READY warmed_up",
                               "loader: model_loaded m", "queue: worker_ready"}));
  EXPECT_EQ(s.around.facts.device, "NVIDIA H200") << "what devices of one kind have in common";
  EXPECT_EQ(s.around.facts.model, "m");
  EXPECT_EQ(s.around.facts.capacity, 2U) << "one run of its batches at a time";
  EXPECT_TRUE(s.around.facts.can_change);
}

TEST(gpu_worker, a_hello_may_overtake_the_event_of_the_start) {
  gpu_script s;
  s.says(s.a_hello());
  EXPECT_THAT(s.so_far(), Contains("supervisor: moved INITIALIZING spawned"));
  s.spawned();
  s.loads();
  EXPECT_THAT(s.so_far(), Contains("queue: worker_ready"));
}

TEST(gpu_worker, a_late_hello_costs_the_process) {
  gpu_script s;
  s.spawned();
  s.pass(s.knobs.engine_hello_timeout - 100ms);
  s.so_far();
  s.pass(100ms);
  EXPECT_EQ(s.so_far(),
            (texts{"process: SIGKILL", "supervisor: moved SHUTDOWN state_timeout state_timeout",
                   "health: moved SHUTDOWN state_timeout state_timeout",
                   "queue: worker_gone state_timeout"}));
  s.says(s.a_hello());
  EXPECT_THAT(s.so_far(), IsEmpty()) << "it comes too late";
  s.exits(0, SIGKILL);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended failed"});
}

TEST(gpu_worker, a_hello_ends_the_budget_of_starting) {
  gpu_script s;
  s.around.grants = false;
  s.spawned();
  s.pass(s.knobs.engine_hello_timeout - 200ms);
  s.says(s.a_hello());
  s.so_far();
  s.says(protocol::heartbeat{1, 0, 0, 0});
  s.pass(1s);
  EXPECT_THAT(s.so_far(), Not(Contains("process: SIGKILL")));
}

TEST(gpu_worker, an_engine_that_promises_what_its_kind_cannot_is_killed) {
  const auto refused = [](protocol::hello m) {
    gpu_script s;
    s.spawned();
    s.so_far();
    s.says(m);
    const auto seen = s.so_far();
    return std::count(seen.begin(), seen.end(), "process: SIGKILL") == 1 &&
           std::count(seen.begin(), seen.end(), "queue: worker_gone engine_protocol") == 1;
  };
  EXPECT_TRUE(refused(gpu_script::a_hello(0, 1)));
  EXPECT_TRUE(refused(gpu_script::a_hello(4'097, 1)));
  EXPECT_TRUE(refused(gpu_script::a_hello(4, 0)));
  EXPECT_TRUE(refused(gpu_script::a_hello(4, 5)));
  EXPECT_FALSE(refused(gpu_script::a_hello(4, 4)));
}

TEST(gpu_worker, what_comes_at_the_wrong_time_is_nonsense) {
  gpu_script twice;
  twice.until_ready();
  twice.says(twice.a_hello());
  EXPECT_THAT(twice.so_far(), Contains("queue: worker_gone engine_protocol"));

  gpu_script early;
  early.around.grants = false;
  early.until_loading();
  early.loads();
  EXPECT_THAT(early.so_far(), Contains("queue: worker_gone engine_protocol"))
      << "it was given nothing to load";

  gpu_script again;
  again.until_ready();
  again.loads();
  EXPECT_THAT(again.so_far(), Contains("queue: worker_gone engine_protocol"));
}

TEST(gpu_worker, a_load_has_a_budget) {
  gpu_script s{"wanted"};
  s.until_loading();
  s.so_far();
  for (milliseconds gone{0}; gone < s.knobs.engine_load_timeout; gone += 1'000ms) {
    s.says(protocol::heartbeat{1, 0, 0, 0});
    EXPECT_THAT(s.so_far(), Not(Contains("process: SIGKILL"))) << gone.count();
    s.pass(1'000ms);
  }
  const auto seen = s.so_far();
  EXPECT_THAT(seen, Contains("process: SIGKILL"));
  EXPECT_THAT(seen, Contains("loader: model_refused m state_timeout")) << "the model is suspect";
  s.exits(0, SIGKILL);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended refresh"});
  EXPECT_EQ(s.around.status.next_model, "") << "the next engine loads another";
}

TEST(gpu_worker, a_refused_load_ends_the_engine_politely) {
  gpu_script s{"wanted"};
  s.until_loading();
  s.so_far();
  s.refuses_load(errc::model_invalid);
  EXPECT_EQ(s.so_far(), (texts{"engine: shutdown", "loader: model_refused m model_invalid",
                               "supervisor: moved SHUTDOWN load_failed model_invalid",
                               "health: moved SHUTDOWN load_failed model_invalid",
                               "queue: worker_gone model_invalid"}));
  s.exits(0);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended refresh"}) << "at once, with another model";
}

TEST(gpu_worker, a_refused_default_model_counts_against_the_slot) {
  gpu_script s;
  s.until_loading();
  s.refuses_load(errc::gpu_oom);
  EXPECT_THAT(s.so_far(), Contains("loader: model_refused m gpu_oom"));
  s.exits(0);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended failed"});
}

TEST(gpu_worker, a_new_loader_is_asked_again_unless_the_model_is_sent) {
  gpu_script s;
  s.around.grants = false;
  s.until_loading();
  s.so_far();
  s.directory.loader = s.peer<model_loader_actor>("next loader");
  s.around.grants = true;
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.so_far(), (texts{"next loader: want_model ", "engine: load_model m"}));
  s.directory.loader = s.peer<model_loader_actor>("last loader");
  s.tell(s.tested, s.directory);
  EXPECT_THAT(s.so_far(), IsEmpty());
}

// ---- attempts -----------------------------------------------------------------------------------

TEST(gpu_worker, an_attempt_goes_to_the_engine_and_its_reports_to_the_queue) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  EXPECT_EQ(s.so_far(), (texts{"engine: assign a#1 m", "supervisor: moved PROCESSING jobs_started",
                               "health: moved PROCESSING jobs_started"}));
  EXPECT_EQ(s.around.status.running, 1U);
  s.says(protocol::started{attempt("a")});
  s.says(protocol::progress{attempt("a"), 1, shared_text{"{}"}});
  s.says(protocol::partial{attempt("a"), 1, shared_text{"{}"}});
  s.says(protocol::stepped{attempt("a"), 7});
  s.assign(attempt("b"));
  s.finishes(attempt("a"));
  EXPECT_EQ(s.so_far(),
            (texts{"queue: started a#1", "queue: progress a#1", "queue: partial a#1",
                   "queue: stepped a#1", "engine: assign b#1 m", "queue: finished a#1"}));
  s.finishes(attempt("b"));
  EXPECT_EQ(s.so_far(), (texts{"queue: finished b#1", "supervisor: moved READY jobs_done",
                               "health: moved READY jobs_done"}));
  EXPECT_EQ(s.around.status.completed, 2U);
  EXPECT_EQ(s.around.status.running, 0U);
}

TEST(gpu_worker, reports_of_attempts_that_it_does_not_hold_are_fenced) {
  gpu_script s;
  s.until_ready();
  s.says(protocol::started{attempt("never")});
  s.assign(attempt("a", 2));
  s.so_far();
  s.says(protocol::started{attempt("a", 1)});
  s.finishes(attempt("a", 1));
  EXPECT_THAT(s.so_far(), IsEmpty()) << "an older attempt of the same job";
  s.finishes(attempt("a", 2));
  s.so_far();
  s.finishes(attempt("a", 2));
  s.says(protocol::progress{attempt("a", 2), 1, shared_text{"{}"}});
  EXPECT_THAT(s.so_far(), IsEmpty()) << "finished is the last word";
  EXPECT_EQ(s.meters.value(meter::reports_fenced), 5);
}

TEST(gpu_worker, what_is_meant_for_another_incarnation_is_ignored) {
  gpu_script s;
  s.until_ready();
  const worker_ref next{slot_id{0}, 2};
  s.assign(attempt("a"), next);
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.assign(attempt("a"));
  s.so_far();
  s.revoke(attempt("a"), next);
  s.tell(s.tested, change_worker_model{next, "other"});
  s.tell(s.tested, drain_engine{next});
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.finishes(attempt("a"));
  EXPECT_THAT(s.so_far(), Not(Contains("engine: shutdown")));
}

TEST(gpu_worker, attempts_before_it_is_ready_are_ignored) {
  gpu_script s;
  s.assign(attempt("a"));
  s.until_loading();
  s.assign(attempt("a"));
  EXPECT_THAT(s.so_far(), Not(Contains("engine: assign a#1 m")));
  s.loads();
  s.so_far();
  s.says(protocol::started{attempt("a")});
  EXPECT_THAT(s.so_far(), IsEmpty()) << "nor are they held";
}

TEST(gpu_worker, a_cancel_goes_out_once_and_its_end_in_time_is_harmless) {
  gpu_script s;
  s.until_ready();
  s.revoke(attempt("a"));
  EXPECT_THAT(s.so_far(), IsEmpty()) << "it is not held yet";
  s.assign(attempt("a"));
  s.so_far();
  s.revoke(attempt("a"));
  s.revoke(attempt("a"));
  EXPECT_EQ(s.so_far(), texts{"engine: cancel a#1"});
  s.finishes(attempt("a"));
  s.revoke(attempt("a"));
  s.pass(s.knobs.engine_cancel_grace + 1s);
  EXPECT_EQ(s.so_far(), (texts{"queue: finished a#1", "supervisor: moved READY jobs_done",
                               "health: moved READY jobs_done"}));
}

TEST(gpu_worker, a_cancelled_attempt_that_goes_on_costs_the_process) {
  gpu_script s;
  s.until_ready();
  s.assign(attempt("a"));
  s.assign(attempt("b"));
  s.revoke(attempt("a"));
  s.so_far();
  s.pass(s.knobs.engine_cancel_grace - 100ms);
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.pass(100ms);
  EXPECT_EQ(s.so_far(),
            (texts{"process: SIGKILL", "supervisor: moved SHUTDOWN hung engine_hang",
                   "health: moved SHUTDOWN hung engine_hang", "queue: worker_gone engine_hang"}));
  EXPECT_EQ(s.around.status.lost, 2U);
  s.exits(0, SIGKILL);
  EXPECT_EQ(s.so_far(), texts{"supervisor: ended in_job"});
}

} // namespace
} // namespace tayfa::testing
