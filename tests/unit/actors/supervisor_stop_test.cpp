// The supervisor's end: each phase of STOPPING, for each reason, and by force.
#include "tests/unit/actors/supervisor_script.hpp"

namespace tayfa::testing {
namespace {

TEST(supervisor_stop, an_idle_pod_drains_and_stops_everything_in_order) {
  supervisor_script s;
  s.run();
  s.stop();
  s.pass(1s);
  EXPECT_EQ(s.phases(), "DRAINING_QUEUE " + after_the_drain);
  EXPECT_TRUE(s.moved("pod", "STOPPING", "STOPPED", "all_stopped"));
  EXPECT_EQ(s.exit.code, 0);
  EXPECT_EQ(s.exit.reason, "stopped as asked (SIGTERM)");
  EXPECT_TRUE(s.exit.clean);
  EXPECT_EQ(s.ends, 1U);
  EXPECT_TRUE(s.engines.alive().empty());
}

TEST(supervisor_stop, a_pod_that_was_not_started_ends_at_once) {
  supervisor_script s;
  s.create();
  s.stop();
  EXPECT_EQ(s.phases(), "CLOSING_STORE DONE");
  EXPECT_EQ(s.exit.code, 0);
  EXPECT_EQ(s.born.size(), 0U);
  EXPECT_EQ(s.engines.started(), 0U);
}

TEST(supervisor_stop, a_stop_while_the_pod_starts_ends_it_with_0) {
  const auto stopped_in = [](auto hold_up) {
    supervisor_script s;
    hold_up(s);
    s.start();
    const auto held = s.pod();
    s.stop();
    s.pass(5s);
    EXPECT_EQ(s.phases(), "DRAINING_QUEUE " + after_the_drain) << held;
    EXPECT_EQ(s.exit.code, 0);
    EXPECT_TRUE(s.engines.alive().empty());
    return held;
  };
  EXPECT_EQ(stopped_in([](auto& s) { s.http.silent = true; }), "STARTING");
  EXPECT_EQ(stopped_in([](auto& s) { s.probe.how = sim::sim_probe::mood::silent; }), "CONFIGURING");
  EXPECT_EQ(stopped_in([](auto& s) { s.engines.behaviors[slot_id{0}].load_delay = 60s; }),
            "LAUNCHING");
}

TEST(supervisor_stop, running_jobs_end_first) {
  supervisor_script s;
  s.run();
  s.submit("one", 3);
  s.stop();
  s.pass(2s);
  EXPECT_EQ(s.phase(), "DRAINING_QUEUE");
  s.pass(2s);
  EXPECT_TRUE(s.moved("stop", "DRAINING_QUEUE", "STOPPING_WORKERS", "jobs_done"));
  EXPECT_EQ(s.log.count("machine=job job=one from=IN_PROGRESS to=COMPLETED"), 1U);
  EXPECT_EQ(s.exit.code, 0);
}

TEST(supervisor_stop, a_job_that_outlasts_the_drain_budget_is_handed_back) {
  supervisor_script s;
  s.knobs.pod_drain_budget = 2s;
  s.run();
  s.submit("one", 600);
  s.stop();
  s.pass(1'900ms);
  EXPECT_EQ(s.phase(), "DRAINING_QUEUE");
  s.pass(3s);
  EXPECT_EQ(s.phases(), "DRAINING_QUEUE HANDING_BACK " + after_the_drain);
  EXPECT_TRUE(s.moved("stop", "DRAINING_QUEUE", "HANDING_BACK", "state_timeout"));
  EXPECT_TRUE(s.moved("stop", "HANDING_BACK", "STOPPING_WORKERS", "jobs_done"));
  EXPECT_EQ(s.log.count(" machine=job job=one from=IN_PROGRESS to=IN_QUEUE "), 1U);
  EXPECT_EQ(s.exit.code, 0);
}

TEST(supervisor_stop, a_queue_that_dies_while_it_drains_is_replaced_and_asked_again) {
  supervisor_script s;
  s.knobs.pod_drain_budget = 1h;
  s.knobs.pod_stopping_budget = 2h;
  s.run();
  s.submit("one", 600);
  s.stop();
  s.kill("queue");
  s.pass(2s);
  EXPECT_EQ(s.lives("queue"), 2U);
  EXPECT_EQ(s.phases(), "DRAINING_QUEUE " + after_the_drain);
  EXPECT_EQ(s.exit.code, 0);
}

TEST(supervisor_stop, a_core_that_is_given_up_while_it_drains_ends_the_drain) {
  supervisor_script s;
  s.knobs.pod_drain_budget = 1h;
  s.knobs.pod_stopping_budget = 2h;
  s.run();
  s.submit("one", 600);
  s.stop();
  for (int i = 0; i < 4; ++i) {
    s.kill("ingress");
    s.pass(2s);
  }
  EXPECT_TRUE(s.moved("stop", "DRAINING_QUEUE", "STOPPING_WORKERS", "part_failed"));
  EXPECT_EQ(s.exit.code, 0) << "the first reason stands";
}

TEST(supervisor_stop, an_engine_that_dies_while_it_is_stopped_is_not_replaced) {
  supervisor_script s;
  s.run();
  s.engines.kill({slot_id{0}, 1}, SIGSTOP);
  s.stop();
  s.pass(500ms);
  EXPECT_EQ(s.phase(), "STOPPING_WORKERS");
  s.engines.kill({slot_id{0}, 1}, SIGKILL);
  s.pass(1s);
  EXPECT_EQ(s.lives("gpu_worker"), 1U);
  EXPECT_EQ(s.exit.code, 0);
  EXPECT_TRUE(s.moved("stop", "STOPPING_WORKERS", "STOPPING_CORE", "all_stopped"));
}

TEST(supervisor_stop, the_store_is_closed_last_and_the_pod_waits_for_it) {
  supervisor_script s;
  s.pod_store.closes = false;
  s.run();
  s.stop();
  s.pass(1s);
  EXPECT_EQ(s.phase(), "CLOSING_STORE");
  EXPECT_EQ(s.ends, 0U);
  s.tell(s.tested, store_closed{});
  EXPECT_EQ(s.phase(), "DONE");
  EXPECT_EQ(s.ends, 1U);
}

// ---- fatal errors ------------------------------------------------------------------------------

TEST(supervisor_stop, a_lost_store_ends_the_pod_and_the_first_reason_stands) {
  supervisor_script s;
  s.pod_store.closes = false;
  s.run();
  s.tell(s.tested, store_failed{error{errc::io_error, "the disk is gone"}});
  s.pass(1s);
  EXPECT_TRUE(s.moved("stop", "NOT_STOPPING", "DRAINING_QUEUE", "part_failed"));
  s.tell(s.tested, store_failed{error{errc::store_corrupt, "and more"}});
  s.tell(s.tested, store_closed{});
  EXPECT_EQ(s.exit.code, 70);
  EXPECT_NE(s.exit.reason.find("the disk is gone"), std::string::npos);
  EXPECT_EQ(s.log.count(" pod_failed "), 1U);
}

TEST(supervisor_stop, slots_that_are_lost_while_the_pod_stops_do_not_change_its_exit_code) {
  supervisor_script s{1, true};
  s.knobs.pod_drain_budget = 1h;
  s.knobs.pod_stopping_budget = 2h;
  s.run();
  s.tell(s.tested, store_failed{error{errc::io_error, "the disk is gone"}});
  EXPECT_EQ(s.phase(), "DRAINING_ORIGIN");
  s.engines.behaviors[slot_id{0}].init_crash = true;
  s.engines.kill({slot_id{0}, 1}, SIGKILL);
  s.pass(20s);
  EXPECT_EQ(s.log.count(" slot_quarantined "), 1U);
  s.tell(s.tested, origin_drained{});
  s.pass(1s);
  EXPECT_EQ(s.exit.code, 70);
}

// ---- by force ----------------------------------------------------------------------------------

TEST(supervisor_stop, a_second_request_kills_what_still_runs) {
  supervisor_script s;
  s.run();
  s.submit("one", 600);
  s.stop();
  EXPECT_EQ(s.phase(), "DRAINING_QUEUE");
  s.stop();
  s.pass(500ms);
  EXPECT_EQ(s.phases(), "DRAINING_QUEUE " + killed);
  EXPECT_TRUE(s.moved("stop", "DRAINING_QUEUE", "KILLING", "stop_requested"));
  EXPECT_TRUE(s.moved("pod", "STOPPING", "STOPPED", "deadline"));
  EXPECT_EQ(s.log.count(" stop_forced "), 1U);
  EXPECT_EQ(s.exit.code, 0);
  EXPECT_NE(s.exit.reason.find("what still ran was killed"), std::string::npos);
  EXPECT_TRUE(s.engines.alive().empty());
}

TEST(supervisor_stop, a_second_request_kills_an_engine_that_does_not_end) {
  supervisor_script s;
  s.run();
  s.engines.kill({slot_id{0}, 1}, SIGSTOP);
  s.stop();
  s.pass(100ms);
  EXPECT_EQ(s.phase(), "STOPPING_WORKERS");
  s.stop();
  s.pass(100ms);
  EXPECT_EQ(s.phase(), "DONE");
  EXPECT_TRUE(s.engines.alive().empty());
}

TEST(supervisor_stop, the_budget_of_STOPPING_ends_it_by_force) {
  supervisor_script s;
  s.knobs.pod_drain_budget = 1h;
  s.knobs.pod_stopping_budget = 10s;
  s.run();
  s.submit("one", 600);
  s.stop();
  s.pass(9'900ms);
  EXPECT_EQ(s.phase(), "DRAINING_QUEUE");
  s.pass(500ms);
  EXPECT_TRUE(s.moved("stop", "DRAINING_QUEUE", "KILLING", "deadline"));
  EXPECT_EQ(s.ends, 1U);
}

TEST(supervisor_stop, a_request_while_the_store_closes_is_counted_and_kills_nothing) {
  supervisor_script s;
  s.pod_store.closes = false;
  s.run();
  s.stop();
  s.pass(1s);
  s.stop();
  EXPECT_EQ(s.phase(), "CLOSING_STORE");
  s.tell(s.tested, store_closed{});
  EXPECT_TRUE(s.moved("pod", "STOPPING", "STOPPED", "deadline"));
}

// ---- a worker of RunPod's platform -------------------------------------------------------------

TEST(supervisor_stop, the_platforms_jobs_run_and_are_delivered_before_the_queue_drains) {
  supervisor_script s{1, true};
  s.run();
  s.tell(s.tested, load_changed{false, true, true});
  s.stop();
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN");
  s.tell(s.tested, origin_drained{});
  EXPECT_EQ(s.phase(), "FINISHING_ORIGIN");
  s.tell(s.tested, load_changed{false, false, false});
  s.pass(1s);
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN FINISHING_ORIGIN DRAINING_QUEUE " + after_the_drain);
  EXPECT_EQ(s.exit.code, 0);
}

TEST(supervisor_stop, a_platform_that_has_every_result_needs_no_time_to_finish) {
  supervisor_script s{1, true};
  s.run();
  s.stop();
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN");
  s.tell(s.tested, origin_drained{});
  s.pass(1s);
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN DRAINING_QUEUE " + after_the_drain);
}

TEST(supervisor_stop, results_have_a_moment_to_reach_the_platform) {
  const auto after = [](auto deliver) {
    supervisor_script s{1, true};
    s.knobs.pod_drain_budget = 2s;
    s.run();
    s.tell(s.tested, load_changed{false, true, true});
    s.stop();
    s.tell(s.tested, origin_drained{});
    s.pass(2'100ms);
    EXPECT_EQ(s.phases(), "DRAINING_ORIGIN FINISHING_ORIGIN HANDING_BACK DELIVERING");
    s.pass(4s);
    EXPECT_EQ(s.phase(), "DELIVERING") << "it has 5 s";
    deliver(s);
    s.pass(1'500ms);
    EXPECT_EQ(s.exit.code, 0);
    return s.moved("stop", "DELIVERING", "STOPPING_WORKERS", "delivered") ? "delivered" : "late";
  };
  EXPECT_STREQ(after([](auto& s) { s.tell(s.tested, load_changed{}); }), "delivered");
  EXPECT_STREQ(after([](auto&) {}), "late");
}

TEST(supervisor_stop, a_result_that_the_queue_reports_late_has_its_moment_after_the_drain) {
  supervisor_script s{1, true};
  s.run();
  s.submit("one", 2);
  s.stop();
  s.tell(s.tested, origin_drained{});
  EXPECT_EQ(s.phase(), "DRAINING_QUEUE");
  s.tell(s.tested, load_changed{false, true, true});
  s.tell(s.tested, queue_drained{});
  EXPECT_EQ(s.phase(), "DELIVERING");
  s.tell(s.tested, load_changed{});
  EXPECT_TRUE(s.moved("stop", "DELIVERING", "STOPPING_WORKERS", "delivered"));
}

/// The platform has the result of a job that was handed back, and the store is slow to hold that.
struct settled_script : supervisor_script {
  settled_script() : supervisor_script(1, true) {}

  void stop_and_settle() {
    knobs.pod_drain_budget = 2s;
    run();
    submit("one", 600, "one");
    stop();
    tell(tested, origin_drained{});
    pass(2'500ms);
    ASSERT_EQ(phases(), "DRAINING_ORIGIN FINISHING_ORIGIN HANDING_BACK DELIVERING");
    ASSERT_TRUE(delivery_pends());
    pod_store.holds = true;
    notify_queue(result_posted{job_id{"one"}, delivery::delivered, 0ms, "status 200"});
    pass(100ms);
    ASSERT_TRUE(moved("stop", "DELIVERING", "STOPPING_WORKERS", "delivered"));
  }
  bool delivery_pends() const { return pod_store.row("one")->hook_open; }
};

TEST(supervisor_stop, the_store_holds_that_a_result_was_delivered_before_it_is_closed) {
  settled_script s;
  s.stop_and_settle();
  s.pass(2s);
  EXPECT_EQ(s.phase(), "STOPPING_CORE");
  EXPECT_FALSE(s.pod_store.closed);
  ASSERT_TRUE(s.pod_store.answer());
  s.pass(100ms);
  EXPECT_EQ(s.phase(), "DONE");
  EXPECT_FALSE(s.delivery_pends());
  EXPECT_EQ(s.exit.code, 0);
}

TEST(supervisor_stop, a_store_that_does_not_answer_ends_the_queue_after_its_time_to_stop) {
  settled_script s;
  s.stop_and_settle();
  s.pass(4'500ms);
  EXPECT_EQ(s.phase(), "STOPPING_CORE");
  s.pass(1s);
  EXPECT_EQ(s.log.count(" child_killed child=queue"), 1U) << s.log.text();
  EXPECT_TRUE(s.moved("stop", "STOPPING_CORE", "CLOSING_PORT", "all_stopped"));
  EXPECT_EQ(s.phase(), "DONE");
}

TEST(supervisor_stop, the_budget_of_STOPPING_ends_while_the_queue_waits_for_the_store) {
  settled_script s;
  s.knobs.pod_stopping_budget = 4s;
  s.stop_and_settle();
  s.pass(1'300ms);
  EXPECT_EQ(s.phase(), "STOPPING_CORE");
  s.pass(300ms);
  EXPECT_TRUE(s.moved("stop", "STOPPING_CORE", "KILLING", "deadline"));
  EXPECT_EQ(s.phase(), "DONE");
  EXPECT_TRUE(s.pod_store.closed);
  EXPECT_NE(s.exit.reason.find("what still ran was killed"), std::string::npos);
}

TEST(supervisor_stop, a_core_that_is_given_up_before_the_platform_has_drained_ends_the_drain) {
  supervisor_script s{1, true};
  s.knobs.pod_drain_budget = 1h;
  s.knobs.pod_stopping_budget = 2h;
  s.run();
  for (int i = 0; i < 3; ++i) {
    s.kill("ingress");
    s.pass(2s);
  }
  EXPECT_EQ(s.lives("ingress"), 4U);
  s.stop();
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN") << "its take is still open";
  s.kill("ingress");
  s.pass(2s);
  EXPECT_EQ(s.phases(), "DRAINING_ORIGIN " + after_the_drain);
  EXPECT_TRUE(s.moved("stop", "DRAINING_ORIGIN", "STOPPING_WORKERS", "part_failed"));
  EXPECT_EQ(s.exit.code, 0) << "the first reason stands";
}

TEST(supervisor_stop, a_new_runpod_worker_is_asked_to_drain_as_well) {
  supervisor_script s{1, true};
  s.run();
  s.stop();
  s.kill("runpod_worker");
  s.pass(1s);
  EXPECT_EQ(s.lives("runpod_worker"), 2U);
  EXPECT_EQ(s.phase(), "DONE") << "it had no call open";
  EXPECT_EQ(s.exit.code, 0);
}

} // namespace
} // namespace tayfa::testing
