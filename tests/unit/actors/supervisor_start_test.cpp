// The supervisor from CREATED to RUNNING: what each state waits for, what ends it, and which child
// takes the place of one that died.
#include "tests/unit/actors/supervisor_script.hpp"

namespace tayfa::testing {
namespace {

TEST(supervisor_start, a_pod_passes_its_states_in_order) {
  supervisor_script s{2};
  s.run();
  EXPECT_EQ(s.moves("pod"), "STARTING CONFIGURING LAUNCHING READY");
  EXPECT_TRUE(s.moved("pod", "LAUNCHING", "READY", "engines_ready"));
  s.submit("one", 0.5);
  EXPECT_EQ(s.pod(), "RUNNING");
  s.pass(1s);
  EXPECT_TRUE(s.moved("pod", "RUNNING", "READY", "jobs_done"));
  EXPECT_EQ(s.phases(), "");
  EXPECT_EQ(s.ends, 0U);
}

TEST(supervisor_start, no_actor_is_started_before_the_store_is_open) {
  supervisor_script s;
  s.pod_store.opens = false;
  s.start();
  EXPECT_EQ(s.born.size(), 0U);
  s.pass(s.knobs.pod_starting_budget + 100ms);
  EXPECT_TRUE(s.moved("pod", "STARTING", "STOPPING", "state_timeout"));
  EXPECT_EQ(s.phases(), "CLOSING_STORE DONE") << "there was nothing to drain";
  EXPECT_EQ(s.exit.code, 69);
}

TEST(supervisor_start, each_state_has_a_budget) {
  const auto stuck_in = [](auto prepare, milliseconds config::*budget) {
    supervisor_script s;
    prepare(s);
    s.start();
    s.pass(s.knobs.*budget - 1s);
    EXPECT_EQ(s.ends, 0U);
    s.pass(5s);
    EXPECT_EQ(s.exit.code, 69);
    EXPECT_EQ(s.ends, 1U);
    return s.log.count("cause=state_timeout") > 0 ? s.moves("pod") : "no state_timeout";
  };
  EXPECT_EQ(stuck_in([](auto& s) { s.http.silent = true; }, &config::pod_starting_budget),
            "STARTING STOPPING STOPPED");
  EXPECT_EQ(stuck_in([](auto& s) { s.probe.how = sim::sim_probe::mood::silent; },
                     &config::pod_configuring_budget),
            "STARTING CONFIGURING STOPPING STOPPED");
  EXPECT_EQ(stuck_in(
                [](auto& s) {
                  s.engines.behaviors[slot_id{0}].load_hang = true;
                  s.knobs.engine_load_timeout = 1h;
                  s.knobs.pod_launching_budget = 10s;
                },
                &config::pod_launching_budget),
            "STARTING CONFIGURING LAUNCHING STOPPING STOPPED");
}

TEST(supervisor_start, a_fatal_error_in_each_state_has_its_exit_code) {
  const auto code_after = [](auto prepare) {
    supervisor_script s;
    prepare(s);
    s.start();
    s.pass(10s);
    EXPECT_EQ(s.pod(), "STOPPED");
    EXPECT_EQ(s.lives("gpu_worker") > 0, s.moves("pod").find("LAUNCHING") != std::string::npos);
    return s.exit.code;
  };
  EXPECT_EQ(code_after([](auto& s) {
              s.pod_store.open_error = error{errc::store_corrupt, ""};
            }),
            65);
  EXPECT_EQ(code_after([](auto& s) {
              s.pod_store.open_error = error{errc::store_locked, ""};
            }),
            75);
  EXPECT_EQ(code_after([](auto& s) { s.http.port_in_use = true; }), 75);
  EXPECT_EQ(code_after([](auto& s) { s.models.broken = true; }), 65);
  EXPECT_EQ(code_after([](auto& s) { s.probe.how = sim::sim_probe::mood::unfit; }), 69);
  EXPECT_EQ(code_after([](auto& s) { s.engines.behaviors[slot_id{0}].load_error = "cut off"; }),
            65);
}

TEST(supervisor_start, what_an_earlier_engine_reports_does_not_end_the_pod) {
  supervisor_script s;
  s.engines.behaviors[slot_id{0}].load_delay = 5s;
  s.start();
  s.pass(100ms);
  s.engines.kill({slot_id{0}, 1}, SIGKILL);
  s.pass(1s);
  ASSERT_EQ(s.lives("gpu_worker"), 2U);
  s.tell(s.tested, engine_moved{{slot_id{0}, 1},
                                engine_state::SHUTDOWN,
                                cause::load_failed,
                                error{errc::model_invalid, "cut off"}});
  EXPECT_EQ(s.pod(), "LAUNCHING");
}

TEST(supervisor_start, an_unfit_machine_may_go_on) {
  supervisor_script s;
  s.probe.how = sim::sim_probe::mood::unfit;
  s.knobs.engine_on_unfit = "go_on";
  s.run();
}

TEST(supervisor_start, a_pod_without_slots_of_its_own_needs_no_test_of_the_machine) {
  supervisor_script s{0};
  s.probe.how = sim::sim_probe::mood::silent;
  s.run();
}

// ---- a child that dies -------------------------------------------------------------------------

TEST(supervisor_start, those_that_rely_on_a_dead_child_are_replaced_and_no_others) {
  supervisor_script s;
  s.run();
  s.kill("model_loader");
  s.pass(1s);
  EXPECT_EQ(s.lives("queue"), 1U);
  for (const auto* name : {"model_loader", "health", "remote_workers", "ingress"}) {
    EXPECT_EQ(s.lives(name), 2U) << name;
  }
  EXPECT_EQ(s.lives("gpu_worker"), 1U);
  s.kill("ingress");
  s.pass(1s);
  EXPECT_EQ(s.lives("health"), 2U);
  EXPECT_EQ(s.lives("ingress"), 3U);
  EXPECT_EQ(s.pod(), "READY");
}

TEST(supervisor_start, a_child_that_dies_while_the_pod_starts_does_not_stop_the_start) {
  const auto after_a_death = [](auto hold_up, auto go_on) {
    supervisor_script s;
    hold_up(s);
    s.start();
    const auto held = s.pod();
    s.kill("queue");
    s.pass(2s);
    EXPECT_EQ(s.pod(), held);
    EXPECT_EQ(s.lives("ingress"), 2U);
    go_on(s);
    s.pass(10s);
    EXPECT_EQ(s.pod(), "READY") << held;
    return held;
  };
  EXPECT_EQ(after_a_death([](auto& s) { s.http.silent = true; },
                          [](auto& s) { s.tell(s.tested, http_bound{"sim:8000"}); }),
            "STARTING");
  EXPECT_EQ(after_a_death([](auto& s) { s.probe.how = sim::sim_probe::mood::silent; },
                          [](auto& s) { s.tell(s.tested, machine_checked{}); }),
            "CONFIGURING");
  EXPECT_EQ(
      after_a_death([](auto& s) { s.engines.behaviors[slot_id{0}].load_delay = 5s; }, [](auto&) {}),
      "LAUNCHING");
}

TEST(supervisor_start, a_part_that_does_not_answer_is_replaced) {
  supervisor_script s;
  s.run();
  s.tell(s.tested, part_stuck{"remote_workers"});
  s.pass(1s);
  EXPECT_EQ(s.lives("remote_workers"), 2U);
  EXPECT_EQ(s.lives("health"), 1U);
  EXPECT_EQ(s.log.count(" child_stuck child=remote_workers"), 1U);
}

TEST(supervisor_start, a_core_that_dies_too_often_ends_the_pod_without_a_drain) {
  supervisor_script s;
  s.run();
  s.submit("one", 60);
  for (int i = 0; i < 4; ++i) {
    s.kill("queue");
    s.pass(2s);
  }
  EXPECT_EQ(s.phases(), after_the_drain);
  EXPECT_TRUE(s.moved("stop", "NOT_STOPPING", "STOPPING_WORKERS", "part_failed"));
  EXPECT_EQ(s.exit.code, 70);
}

TEST(supervisor_start, a_supervisor_that_fails_itself_says_so) {
  supervisor_script s;
  s.run();
  caf::anon_send_exit(s.tested, caf::exit_reason::kill);
  s.settle();
  EXPECT_EQ(s.ends, 1U);
  EXPECT_EQ(s.exit.code, 70);
  EXPECT_FALSE(s.exit.clean);
}

} // namespace
} // namespace tayfa::testing
