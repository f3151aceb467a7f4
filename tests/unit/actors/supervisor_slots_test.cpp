// The supervisor's slots: drained, resized, quarantined, in each state of the pod.
#include "tests/unit/actors/supervisor_script.hpp"

namespace tayfa::testing {
namespace {

TEST(supervisor_slots, slots_cannot_be_changed_before_the_pod_serves_nor_while_it_stops) {
  supervisor_script s;
  s.engines.behaviors[slot_id{0}].load_delay = 2s;
  const auto refused = [&s] {
    const auto resized = s.ask(resize_slots{3});
    const auto drained = s.ask(drain_slot{slot_id{0}, true});
    return !resized.value && resized.value.error().code == errc::not_ready && !drained.value &&
           drained.value.error().code == errc::not_ready;
  };
  s.create();
  EXPECT_TRUE(refused()) << "CREATED";
  s.tell(s.tested, start_pod{});
  EXPECT_EQ(s.pod(), "LAUNCHING");
  EXPECT_TRUE(refused());
  s.pass(4s);
  EXPECT_EQ(s.pod(), "READY");
  s.submit("one", 60);
  s.stop();
  EXPECT_TRUE(refused()) << "STOPPING";
  EXPECT_EQ(s.lives("gpu_worker"), 1U);
}

TEST(supervisor_slots, the_pod_grows_and_shrinks_while_it_serves) {
  supervisor_script s;
  s.run();
  ASSERT_TRUE(s.ask(resize_slots{3}).value);
  s.pass(1s);
  EXPECT_EQ(s.slot(2).state, engine_state::READY);
  EXPECT_EQ(s.engines.alive().size(), 3U);
  EXPECT_EQ(s.meters.value(meter::slots), 3);
  ASSERT_TRUE(s.ask(resize_slots{1}).value);
  s.pass(10s);
  EXPECT_EQ(s.ask(list_slots{}).value->size(), 1U);
  EXPECT_EQ(s.engines.alive().size(), 1U);
  EXPECT_EQ(s.log.count(" slot_removed "), 2U);
  EXPECT_EQ(s.meters.value(meter::slots), 1);
  ASSERT_TRUE(s.ask(resize_slots{2}).value);
  s.pass(1s);
  EXPECT_EQ(s.slot(1).incarnation, 2U) << "an incarnation only grows";
}

TEST(supervisor_slots, a_slot_is_removed_when_its_job_has_ended) {
  supervisor_script s{2};
  s.run();
  s.submit("one", 5);
  s.submit("two", 5);
  ASSERT_TRUE(s.ask(resize_slots{0}).value);
  s.pass(3s);
  EXPECT_EQ(s.engines.alive().size(), 2U);
  s.pass(10s);
  EXPECT_TRUE(s.engines.alive().empty());
  EXPECT_EQ(s.log.count("from=IN_PROGRESS to=COMPLETED"), 2U);
}

TEST(supervisor_slots, a_drained_slot_has_no_engine_and_an_undrained_one_a_new_one) {
  supervisor_script s{2};
  s.run();
  EXPECT_EQ(s.meters.value(meter::ready), 1);
  ASSERT_TRUE(s.ask(drain_slot{slot_id{1}, true}).value);
  EXPECT_TRUE(s.slot(1).draining);
  s.pass(10s);
  EXPECT_EQ(s.engines.alive(), (std::set<worker_ref>{{slot_id{0}, 1}}));
  EXPECT_EQ(s.log.count(" slot_drained slot=1"), 1U);
  EXPECT_EQ(s.meters.value(meter::ready), 1) << "the other slot serves";
  ASSERT_TRUE(s.ask(drain_slot{slot_id{0}, true}).value);
  EXPECT_EQ(s.meters.value(meter::ready), 0) << "no slot may take a job";
  ASSERT_TRUE(s.ask(drain_slot{slot_id{1}, false}).value);
  s.pass(10s);
  EXPECT_EQ(s.engines.alive(), (std::set<worker_ref>{{slot_id{1}, 2}}));
  EXPECT_EQ(s.meters.value(meter::ready), 1);
  EXPECT_EQ(s.ask(drain_slot{slot_id{2}, true}).value.error().code, errc::not_found);
}

TEST(supervisor_slots, a_draining_slot_whose_engine_dies_stays_stopped) {
  supervisor_script s{2};
  s.run();
  s.submit("one", 60);
  s.submit("two", 60);
  s.ask(drain_slot{slot_id{0}, true});
  s.engines.kill({slot_id{0}, 1}, SIGKILL);
  s.pass(10s);
  EXPECT_EQ(s.lives("gpu_worker"), 2U);
  EXPECT_EQ(s.log.count(" slot_drained slot=0"), 1U);
}

TEST(supervisor_slots, a_slot_undrained_while_its_engine_ends_starts_again) {
  supervisor_script s;
  s.run();
  s.ask(drain_slot{slot_id{0}, true});
  s.engines.kill({slot_id{0}, 1}, SIGSTOP); // so that its end takes a while
  s.pass(2s);
  EXPECT_EQ(s.slot(0).state, engine_state::SHUTDOWN);
  s.ask(drain_slot{slot_id{0}, false});
  s.pass(20s);
  EXPECT_EQ(s.slot(0).state, engine_state::READY);
  EXPECT_EQ(s.slot(0).incarnation, 2U);
  EXPECT_EQ(s.log.count(" slot_drained "), 0U);
}

TEST(supervisor_slots, an_engine_that_dies_idle_is_replaced_after_a_pause) {
  supervisor_script s;
  s.knobs.engine_backoff_base = 1s;
  s.run();
  s.engines.kill({slot_id{0}, 1}, SIGKILL);
  s.pass(100ms);
  EXPECT_EQ(s.slot(0).state, engine_state::SHUTDOWN);
  s.pass(2s);
  EXPECT_EQ(s.slot(0).incarnation, 2U);
  EXPECT_EQ(s.slot(0).state, engine_state::READY);
  EXPECT_EQ(s.meters.value(meter::engine_restarts), 1);
}

TEST(supervisor_slots, a_slot_that_keeps_failing_is_quarantined_and_recovers) {
  supervisor_script s{2};
  auto& bad = s.engines.behaviors[slot_id{1}];
  bad.init_crash = true;
  s.knobs.engine_quarantine_base = 30s;
  s.start();
  s.pass(10s);
  EXPECT_EQ(s.pod(), "READY") << "the other slot is enough";
  EXPECT_TRUE(s.slot(1).quarantined);
  EXPECT_TRUE(s.slot(1).given_up);
  EXPECT_EQ(s.log.count(" slot_given_up slot=1"), 1U);
  const auto lives = s.lives("gpu_worker");
  s.pass(15s);
  EXPECT_EQ(s.lives("gpu_worker"), lives) << "it is left alone";
  bad.init_crash = false;
  s.pass(20s);
  EXPECT_EQ(s.slot(1).state, engine_state::READY);
  EXPECT_FALSE(s.slot(1).quarantined);
  EXPECT_FALSE(s.slot(1).given_up);
}

TEST(supervisor_slots, the_pod_ends_when_every_slot_is_quarantined) {
  supervisor_script s{2};
  s.run();
  for (std::uint32_t slot : {0U, 1U}) {
    s.engines.behaviors[slot_id{slot}].init_crash = true;
    s.engines.kill({slot_id{slot}, 1}, SIGKILL);
  }
  s.pass(20s);
  EXPECT_EQ(s.log.count(" slot_quarantined "), 2U);
  EXPECT_EQ(s.exit.code, 69);
  EXPECT_NE(s.exit.reason.find("every slot was given up"), std::string::npos);
  EXPECT_TRUE(s.moved("pod", "READY", "STOPPING", "part_failed"));
}

TEST(supervisor_slots, a_timer_of_an_earlier_keeper_starts_no_engine) {
  supervisor_script s{2};
  s.knobs.engine_backoff_base = 5s;
  s.run();
  s.engines.kill({slot_id{1}, 1}, SIGKILL);
  s.pass(100ms);
  s.ask(drain_slot{slot_id{1}, true}); // drops the restart, whose timer still comes
  s.pass(100ms);
  s.ask(drain_slot{slot_id{1}, false});
  s.pass(3s);
  EXPECT_EQ(s.slot(1).state, engine_state::READY);
  s.engines.kill({slot_id{1}, 2}, SIGKILL);
  s.pass(3'700ms);
  EXPECT_EQ(s.slot(1).incarnation, 2U) << "the pause before its restart is 4 s at least";
  s.pass(4s);
  EXPECT_EQ(s.slot(1).incarnation, 3U);
  EXPECT_EQ(s.engines.alive().size(), 2U);
}

} // namespace
} // namespace tayfa::testing
