#include "tests/unit/core/slot_table_script.hpp"

namespace tayfa {
namespace {

using std::chrono::milliseconds;
using loss = slot_table::loss;

error because(errc code, const char* text) {
  return {code, text};
}

// ---- starting ----------------------------------------------------------------------------------

TEST(slot_table, the_pod_begins_with_every_slot_started_and_the_cpus_shared) {
  slot_table table{{"scripted"}};
  EXPECT_EQ(text_of(table.launch(3)), "share 3; start 0; start 1; start 2");
  EXPECT_EQ(table.count(), 3U);
}

TEST(slot_table, the_pod_is_launched_when_every_slot_is_READY_or_given_up) {
  slot_script s;
  s.ready(0);
  EXPECT_FALSE(s.table.launched());
  s.moves(1, engine_state::LOADING_MODEL);
  EXPECT_FALSE(s.table.launched());
  EXPECT_EQ(s.table.quarantined(1, true), loss::some);
  EXPECT_TRUE(s.table.launched());
}

TEST(slot_table, a_pod_without_slots_is_launched_and_serves_at_once) {
  slot_script s{0};
  EXPECT_TRUE(s.table.launched());
  EXPECT_TRUE(s.table.serving());
  EXPECT_TRUE(s.table.all_stopped());
}

TEST(slot_table, each_life_has_a_higher_incarnation_and_the_slots_own_engine_and_model) {
  slot_script s{3, {"usual", {{0, "first"}, {1, "second"}}}};
  EXPECT_EQ(s.summary(0).engine, "first");
  EXPECT_EQ(s.summary(1).engine, "second");
  EXPECT_EQ(s.summary(2).engine, "usual");
  slot_status status;
  status.worker = s.worker(1);
  status.next_model = "m";
  s.table.status(status);
  const auto life = s.table.begin_life(1);
  EXPECT_EQ(life.worker, (worker_ref{slot_id{1}, 2}));
  EXPECT_EQ(life.engine, "second");
  EXPECT_EQ(life.model, "m") << "what its latest worker was asked to load next";
}

TEST(slot_table, what_an_earlier_engine_says_changes_nothing) {
  slot_script s;
  const auto old = s.worker(0);
  s.table.begin_life(0);
  EXPECT_FALSE(s.table.is_present(old));
  s.table.engine({old, engine_state::READY, cause::warmed_up, {}});
  EXPECT_EQ(s.summary(0).state, engine_state::NOT_STARTED);
  slot_status late;
  late.worker = old;
  late.running = 7;
  s.table.status(late);
  EXPECT_EQ(s.summary(0).running, 0U);
  s.drain(0);
  EXPECT_EQ(text_of(s.table.drained({old})), "");
}

TEST(slot_table, attempts_are_counted_over_the_lives_of_a_slot) {
  slot_script s;
  slot_status status;
  status.worker = s.worker(0);
  status.completed = 5;
  status.lost = 1;
  s.table.status(status);
  s.table.begin_life(0);
  EXPECT_EQ(s.summary(0).completed, 5U);
  status.worker = s.worker(0);
  status.completed = 2;
  s.table.status(status);
  EXPECT_EQ(s.summary(0).completed, 7U);
  EXPECT_EQ(s.summary(0).lost, 2U);
}

// ---- drain and undrain -------------------------------------------------------------------------

TEST(slot_table, a_working_slot_lets_its_attempts_end_and_is_stopped_then) {
  slot_script s;
  s.ready(0);
  EXPECT_EQ(s.drain(0), "drain 0#1");
  EXPECT_TRUE(s.summary(0).draining);
  EXPECT_EQ(s.drain(0), "") << "it drains already";
  EXPECT_EQ(s.drained(0), "stop 0");
  EXPECT_EQ(s.stopped(0), "drained 0; share 2");
  EXPECT_EQ(s.summary(0).state, engine_state::SHUTDOWN);
}

TEST(slot_table, a_slot_where_nothing_can_run_is_stopped_at_once) {
  slot_script s;
  s.moves(0, engine_state::LOADING_MODEL);
  EXPECT_EQ(s.drain(0), "stop 0");
  s.table.quarantined(1, false);
  s.moves(1, engine_state::SHUTDOWN);
  EXPECT_EQ(s.drain(1), "stop 1");
}

TEST(slot_table, an_engine_that_becomes_READY_while_its_slot_leaves_is_drained) {
  slot_script s;
  s.drain(0);
  EXPECT_EQ(s.ready(0), "drain 0#1");
  EXPECT_EQ(s.ready(1), "");
}

TEST(slot_table, a_draining_slot_whose_engine_dies_is_not_started_again) {
  slot_script s;
  s.ready(0);
  s.ready(1);
  s.drain(0);
  EXPECT_EQ(s.dies(0), "stop 0");
  EXPECT_EQ(s.dies(1), "") << "its keeper decides";
}

TEST(slot_table, an_undrained_slot_is_started_when_nothing_of_it_is_left) {
  slot_script s;
  s.ready(0);
  s.drain(0);
  s.drained(0);
  s.stopped(0);
  EXPECT_EQ(s.undrain(0), "start 0");
  EXPECT_EQ(s.undrain(0), "");
  EXPECT_FALSE(s.summary(0).draining);
}

TEST(slot_table, an_undrained_slot_that_still_runs_offers_itself_again) {
  slot_script s;
  s.ready(0);
  s.drain(0);
  EXPECT_EQ(s.undrain(0), "undrain 0#1");
  EXPECT_EQ(s.drained(0), "") << "reported before it was undrained";
}

TEST(slot_table, a_slot_undrained_while_it_stops_is_started_once_it_has_stopped) {
  slot_script s;
  s.ready(0);
  s.drain(0);
  s.drained(0);
  EXPECT_EQ(s.undrain(0), "undrain 0#1");
  EXPECT_EQ(s.stopped(0), "again 0") << "not from here: its keeper is the caller";
  EXPECT_EQ(s.again(0), "start 0");
  EXPECT_EQ(s.again(0), "") << "it has been started";
}

TEST(slot_table, a_slot_drained_before_it_is_started_again_stays_stopped) {
  slot_script s;
  s.ready(0);
  s.drain(0);
  s.drained(0);
  s.undrain(0);
  s.stopped(0);
  EXPECT_EQ(s.drain(0), "");
  EXPECT_EQ(s.again(0), "");
}

TEST(slot_table, only_a_known_slot_can_be_drained) {
  slot_script s;
  EXPECT_EQ(s.table.drain(slot_id{2}, true).error().code, errc::not_found);
  s.resize(1);
  EXPECT_EQ(s.table.drain(slot_id{1}, false).error().code, errc::not_found);
}

// ---- more and fewer slots ----------------------------------------------------------------------

TEST(slot_table, a_slot_that_is_removed_keeps_its_share_until_its_engine_is_gone) {
  slot_script s;
  s.ready(0);
  s.ready(1);
  EXPECT_EQ(s.resize(1), "drain 1#1; share 2");
  EXPECT_EQ(s.table.count(), 1U);
  EXPECT_EQ(s.table.summaries().size(), 2U);
  EXPECT_EQ(s.drained(1), "stop 1");
  EXPECT_EQ(s.stopped(1), "removed 1; share 1");
  EXPECT_EQ(s.table.summaries().size(), 1U) << "it is not shown any more";
}

TEST(slot_table, new_slots_are_started_and_share_the_cpus) {
  slot_script s{1};
  EXPECT_EQ(s.resize(3), "start 1; start 2; share 3");
  EXPECT_EQ(s.resize(3), "share 3");
  EXPECT_EQ(s.table.count(), 3U);
}

TEST(slot_table, a_removed_slot_that_comes_back_keeps_its_incarnation) {
  slot_script s;
  s.resize(1);
  s.stopped(1);
  EXPECT_EQ(s.resize(2), "start 1; share 2");
  EXPECT_EQ(s.table.begin_life(1).worker.incarnation, 2U);
}

TEST(slot_table, a_resize_does_not_undrain) {
  slot_script s;
  s.ready(0);
  s.drain(0);
  EXPECT_EQ(s.resize(2), "share 2");
  EXPECT_TRUE(s.summary(0).draining);
  s.resize(0);
  s.stopped(0);
  EXPECT_EQ(s.resize(1), "start 0; share 2") << "removed and added again: it is not drained";
}

TEST(slot_table, there_is_a_most_of_slots) {
  slot_script s;
  EXPECT_EQ(s.table.resize(slots_max + 1).error().code, errc::bad_request);
  EXPECT_EQ(s.table.count(), 2U);
}

// ---- quarantine --------------------------------------------------------------------------------

TEST(slot_table, a_quarantined_slot_is_shown_until_its_next_engine) {
  slot_script s;
  EXPECT_EQ(s.table.quarantined(0, false), loss::some);
  EXPECT_TRUE(s.summary(0).quarantined);
  EXPECT_FALSE(s.summary(0).given_up) << "only while LAUNCHING";
  s.table.begin_life(0);
  EXPECT_FALSE(s.summary(0).quarantined);
}

TEST(slot_table, a_slot_that_was_given_up_is_no_more_once_it_is_READY) {
  slot_script s;
  s.table.quarantined(0, true);
  s.table.begin_life(0);
  EXPECT_TRUE(s.summary(0).given_up);
  s.ready(0);
  EXPECT_FALSE(s.summary(0).given_up);
}

TEST(slot_table, the_last_slot_to_be_quarantined_ends_the_pod) {
  slot_script s{3};
  EXPECT_EQ(s.table.quarantined(0, false), loss::some);
  EXPECT_EQ(s.table.quarantined(1, true), loss::some);
  s.resize(2);
  s.table.begin_life(0);
  EXPECT_EQ(s.table.quarantined(1, false), loss::some) << "slot 0 has another try";
  EXPECT_EQ(s.table.quarantined(0, false), loss::all) << "slot 2 was removed";
}

TEST(slot_table, engines_that_only_need_another_model_file_do_not_end_a_pod_that_serves) {
  slot_script s;
  for (std::uint32_t slot : {0U, 1U}) {
    s.moves(slot, engine_state::SHUTDOWN, cause::load_failed,
            because(errc::model_invalid, "cut off"));
  }
  EXPECT_EQ(s.table.quarantined(0, false), loss::of_files);
  EXPECT_EQ(s.table.quarantined(1, false), loss::of_files);
  EXPECT_EQ(s.table.quarantined(0, true), loss::all) << "a pod that has not begun ends";
  s.moves(1, engine_state::SHUTDOWN, cause::crashed, because(errc::engine_crash, "signal 11"));
  EXPECT_EQ(s.table.quarantined(1, false), loss::all) << "slot 1 crashes";
}

TEST(slot_table, why_all_are_lost_is_worth_another_start_only_when_all_of_it_passes) {
  slot_script s;
  const auto last = because(errc::restart_intensity, "too often");
  EXPECT_EQ(s.table.why_all_are_lost(last).text, "every slot was given up: too often");
  s.moves(0, engine_state::SHUTDOWN, cause::crashed, because(errc::unavailable, "no process"));
  EXPECT_EQ(s.table.why_all_are_lost(last).code, errc::engine_start);
  EXPECT_EQ(s.table.why_all_are_lost(last).text, "every slot was given up: no process");
  s.moves(1, engine_state::SHUTDOWN, cause::crashed, because(errc::unavailable, "no process"));
  EXPECT_EQ(s.table.why_all_are_lost(last).code, errc::unavailable);
}

// ---- serving and the end -----------------------------------------------------------------------

TEST(slot_table, the_pod_serves_while_some_slot_works_and_does_not_leave) {
  slot_script s;
  EXPECT_FALSE(s.table.serving());
  s.ready(0);
  EXPECT_TRUE(s.table.serving());
  s.moves(0, engine_state::PROCESSING);
  EXPECT_TRUE(s.table.serving());
  s.drain(0);
  EXPECT_FALSE(s.table.serving());
  s.undrain(0);
  EXPECT_TRUE(s.table.serving());
  s.dies(0);
  EXPECT_FALSE(s.table.serving());
}

TEST(slot_table, at_the_end_each_slot_that_has_something_is_stopped_and_none_is_started) {
  slot_script s{3};
  s.ready(0);
  s.drain(1);
  s.stopped(1);
  EXPECT_EQ(text_of(s.table.stop_all()), "stop 0; stop 2");
  EXPECT_EQ(s.stopped(0), "");
  EXPECT_FALSE(s.table.all_stopped());
  EXPECT_EQ(s.stopped(2), "");
  EXPECT_TRUE(s.table.all_stopped());
  EXPECT_EQ(s.again(0), "");
}

} // namespace
} // namespace tayfa
