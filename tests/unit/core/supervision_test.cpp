#include "tests/unit/core/supervision_script.hpp"

namespace tayfa::supervision {
namespace {

// ---- starting and stopping ----------------------------------------------------------------------

TEST(supervision, children_start_in_order_and_stop_in_reverse_one_by_one) {
  group_script s{strategy::one_for_one};
  EXPECT_EQ(s.states(), "waiting waiting waiting");
  EXPECT_EQ(s.start(), "start 0; start 1; start 2");
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.states(), "running running stopping");
  EXPECT_EQ(s.ends(2), "stop 1");
  EXPECT_EQ(s.fails(1), "stop 0") << "a failure while stopping is an end";
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.states(), "stopped stopped stopped");
  EXPECT_EQ(s.start(), "") << "a group lives once";
}

TEST(supervision, the_stop_order_carries_the_childs_own_timeout) {
  group_script s{strategy::one_for_one};
  s.start();
  const auto consequences = s.group_.stop(s.now);
  EXPECT_EQ(std::get<stop_child>(consequences.at(0)).timeout, milliseconds{500});
}

TEST(supervision, a_child_that_ends_by_itself_while_the_group_stops_is_not_asked) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.fails(1), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
}

TEST(supervision, stopping_twice_is_stopping_once) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.stop(), "");
  s.ends(2);
  s.ends(1);
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.stop(), "all_stopped") << "asked again, it says so again";
}

TEST(supervision, nothing_to_stop_is_stopped_at_once) {
  group_script fresh{strategy::one_for_one};
  EXPECT_EQ(fresh.stop(), "all_stopped");
  EXPECT_EQ(fresh.start(), "");
  group_script empty{strategy::one_for_all, 3, {}};
  EXPECT_EQ(empty.start(), "");
  EXPECT_EQ(empty.stop(), "all_stopped");
}

TEST(supervision, ends_of_unknown_or_dead_children_are_ignored) {
  group_script s{strategy::one_for_one};
  EXPECT_EQ(s.fails(0), "") << "not started yet";
  s.start();
  EXPECT_EQ(s.fails(9), "");
  s.fails(1);
  EXPECT_EQ(s.fails(1), "") << "it is dead already";
}

// ---- kinds --------------------------------------------------------------------------------------

TEST(supervision, what_comes_back_depends_on_the_kind_and_the_end) {
  const auto kinds = {restart::permanent, restart::transient, restart::temporary};
  group_script failing{strategy::one_for_one, 3, kinds};
  failing.start();
  EXPECT_EQ(failing.fails(0), "later 0 100");
  EXPECT_EQ(failing.fails(1), "later 1 100");
  EXPECT_EQ(failing.fails(2), "");
  EXPECT_EQ(failing.states(), "backing_off backing_off stopped");

  group_script normal{strategy::one_for_one, 3, kinds};
  normal.start();
  EXPECT_EQ(normal.ends(0), "later 0 100");
  EXPECT_EQ(normal.ends(1), "");
  EXPECT_EQ(normal.ends(2), "");
  EXPECT_EQ(normal.states(), "backing_off stopped stopped");
}

// ---- one_for_one --------------------------------------------------------------------------------

TEST(supervision, one_for_one_restarts_only_the_failed_child) {
  group_script s{strategy::one_for_one};
  s.start();
  EXPECT_EQ(s.fails(1), "later 1 100");
  EXPECT_EQ(s.states(), "running backing_off running");
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.group_.restarts(), 1u);
  EXPECT_EQ(s.due(s.timer), "") << "a timer works once";
}

TEST(supervision, an_old_ticket_changes_nothing) {
  group_script s{strategy::one_for_one};
  s.start();
  s.fails(1);
  const auto old = s.timer;
  s.due();
  s.fails(1);
  EXPECT_EQ(s.due(old), "");
  EXPECT_EQ(s.due({1, {}, 0}), "");
  EXPECT_EQ(s.due({9, {}, old.ticket}), "");
  EXPECT_EQ(s.due(), "start 1");
}

TEST(supervision, backoff_doubles_and_starts_anew_after_a_healthy_life) {
  group_script s{strategy::one_for_one, 100};
  s.start();
  EXPECT_EQ(s.fails(0), "later 0 100");
  s.due();
  EXPECT_EQ(s.fails(0), "later 0 200");
  s.due();
  EXPECT_EQ(s.fails(1), "later 1 100") << "each child has its own";
  EXPECT_EQ(s.fails(0), "later 0 400");
  s.due();
  s.now += seconds{30};
  EXPECT_EQ(s.fails(0), "later 0 100");
}

TEST(supervision, too_many_restarts_within_the_period_are_given_up) {
  group_script s{strategy::one_for_one};
  s.start();
  for (int i = 0; i < 3; ++i) {
    s.fails(1);
    EXPECT_EQ(s.due(), "start 1");
  }
  s.fails(0);
  EXPECT_EQ(s.fails(1), "gave_up 1");
  EXPECT_EQ(s.why.code, errc::restart_intensity);
  EXPECT_THAT(s.why.text, ::testing::HasSubstr("child1"));
  EXPECT_EQ(s.states(), "backing_off given_up running") << "the others live on";
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.ends(2), "all_stopped");
}

TEST(supervision, the_period_slides) {
  group_script s{strategy::one_for_one, 2};
  s.start();
  const auto first = s.now;
  s.fails(0);
  s.due();
  s.now += seconds{40};
  s.fails(0);
  s.due();
  s.now = first + seconds{60};
  EXPECT_EQ(s.fails(0), "later 0 200") << "the first one is exactly a minute old";
  s.due();
  EXPECT_EQ(s.fails(0), "gave_up 0");
}

TEST(supervision, an_intensity_of_zero_allows_no_restart) {
  group_script s{strategy::one_for_one, 0};
  s.start();
  EXPECT_EQ(s.fails(2), "gave_up 2");
}

TEST(supervision, stop_drops_a_pending_restart) {
  group_script s{strategy::one_for_one};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.stop(), "stop 2");
  EXPECT_EQ(s.due(), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.due(), "");
}

TEST(supervision, a_child_refreshed_on_request_is_started_at_once_and_costs_nothing) {
  group_script s{strategy::one_for_one, 1};
  s.start();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(s.refreshes(1), "start 1");
  }
  EXPECT_EQ(s.fails(1), "later 1 100") << "the one allowed restart is still there";
  EXPECT_EQ(s.refreshes(1), "") << "it is not alive";
  EXPECT_EQ(s.refreshes(9), "");
}

TEST(supervision, a_child_brought_down_by_its_work_is_back_at_once_and_never_given_up_for_it) {
  group_script s{strategy::one_for_one, 2};
  s.start();
  EXPECT_EQ(s.is_excused(1), "start 1");
  EXPECT_EQ(s.is_excused(1), "start 1");
  EXPECT_EQ(s.fails(1), "later 1 100") << "the allowed restarts are still there, and no backoff";
  s.due();
  EXPECT_EQ(s.fails(1), "later 1 200");
  s.due();
  EXPECT_EQ(s.fails(1), "gave_up 1");
  EXPECT_EQ(s.is_excused(9), "");
}

TEST(supervision, a_child_that_its_work_brings_down_again_and_again_waits_as_long_as_it_lived) {
  group_script s{strategy::one_for_one, 2};
  s.start();
  s.is_excused(1);
  s.is_excused(1);
  for (int i = 0; i < 20; ++i) {
    s.now += milliseconds{15};
    EXPECT_EQ(s.is_excused(1), "later 1 15");
    EXPECT_EQ(s.due(), "start 1");
  }
  s.now += seconds{15};
  EXPECT_EQ(s.is_excused(1), "later 1 100") << "backoff_base at most";
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.is_excused(1), "later 1 1") << "never no pause at all";
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.is_excused(1, true), "start 1") << "it had ended some work well";
  EXPECT_EQ(s.is_excused(1), "start 1");
}

TEST(supervision, while_the_group_stops_no_end_brings_a_child_back) {
  group_script s{strategy::one_for_one};
  s.start();
  s.stop();
  EXPECT_EQ(s.refreshes(2), "stop 1");
  EXPECT_EQ(s.is_excused(1), "stop 0");
  EXPECT_EQ(s.is_excused(0), "all_stopped");
}

// ---- rest_for_one, one_for_all ------------------------------------------------------------------

TEST(supervision, rest_for_one_restarts_the_failed_child_and_those_after_it) {
  group_script s{strategy::rest_for_one};
  s.start();
  EXPECT_EQ(s.fails(1), "stop 2");
  EXPECT_EQ(s.states(), "running backing_off stopping");
  EXPECT_EQ(s.ends(2), "later 1 100");
  EXPECT_EQ(s.due(), "start 1; start 2");
  EXPECT_EQ(s.group_.restarts(), 1u);
  EXPECT_EQ(s.fails(2), "later 2 200") << "the backoff is the group's";
}

TEST(supervision, one_for_all_restarts_all_in_order_after_stopping_in_reverse) {
  group_script s{strategy::one_for_all};
  s.start();
  EXPECT_EQ(s.fails(1), "stop 2");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "later 0 100");
  EXPECT_EQ(s.states(), "backing_off backing_off backing_off");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
}

TEST(supervision, a_second_end_among_the_affected_belongs_to_the_same_restart) {
  group_script s{strategy::one_for_all};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.fails(0), "");
  EXPECT_EQ(s.fails(2), "later 0 100");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
  EXPECT_EQ(s.group_.restarts(), 1u);
}

TEST(supervision, an_earlier_failure_widens_a_restart_that_is_stopping) {
  group_script s{strategy::rest_for_one, 3, std::vector<restart>(4, restart::permanent)};
  s.start();
  EXPECT_EQ(s.fails(2), "stop 3");
  EXPECT_EQ(s.fails(0), "") << "3 is still awaited";
  EXPECT_EQ(s.ends(3), "stop 1");
  EXPECT_EQ(s.ends(1), "later 0 100");
  EXPECT_EQ(s.due(), "start 0; start 1; start 2; start 3");
}

TEST(supervision, an_earlier_failure_widens_a_restart_that_waits) {
  group_script s{strategy::rest_for_one};
  s.start();
  s.fails(2);
  const auto old = s.timer;
  EXPECT_EQ(s.fails(0), "stop 1");
  EXPECT_EQ(s.due(old), "") << "not while 1 is being stopped";
  EXPECT_EQ(s.ends(1), "later 0 200");
  EXPECT_EQ(s.due(old), "") << "nor before the new delay is over";
  EXPECT_EQ(s.due(), "start 0; start 1; start 2");
}

TEST(supervision, a_child_that_reached_its_end_is_not_brought_back_by_a_sibling) {
  group_script s{strategy::one_for_all,
                 3,
                 {restart::transient, restart::temporary, restart::transient, restart::permanent}};
  s.start();
  EXPECT_EQ(s.ends(0), "");
  EXPECT_EQ(s.fails(3), "stop 2");
  EXPECT_EQ(s.ends(2), "stop 1");
  EXPECT_EQ(s.ends(1), "later 2 100");
  EXPECT_EQ(s.due(), "start 2; start 3");
  EXPECT_EQ(s.states(), "stopped stopped running running");
}

TEST(supervision, a_group_is_stopped_before_it_is_given_up) {
  for (const auto how : {strategy::rest_for_one, strategy::one_for_all}) {
    group_script s{how, 0};
    s.start();
    EXPECT_EQ(s.fails(1), "stop 2");
    EXPECT_EQ(s.fails(0), "") << "one more end changes nothing";
    EXPECT_EQ(s.ends(2), "gave_up 1");
    EXPECT_EQ(s.states(), "stopped given_up stopped");
    EXPECT_EQ(s.stop(), "all_stopped");
  }
}

TEST(supervision, the_intensity_of_a_group_is_counted_over_all_its_children) {
  group_script s{strategy::one_for_all, 1};
  s.start();
  s.fails(0);
  s.ends(2);
  s.ends(1);
  s.due();
  EXPECT_EQ(s.fails(2), "stop 1");
  EXPECT_EQ(s.ends(1), "stop 0");
  EXPECT_EQ(s.ends(0), "gave_up 2");
}

TEST(supervision, stop_during_a_group_restart_drops_it) {
  group_script clearing{strategy::one_for_all};
  clearing.start();
  clearing.fails(1);
  EXPECT_EQ(clearing.stop(), "") << "2 has been asked already";
  EXPECT_EQ(clearing.ends(2), "stop 0");
  EXPECT_EQ(clearing.ends(0), "all_stopped");

  group_script pausing{strategy::rest_for_one};
  pausing.start();
  pausing.fails(2);
  EXPECT_EQ(pausing.stop(), "stop 1");
  EXPECT_EQ(pausing.due(), "");
  EXPECT_EQ(pausing.ends(1), "stop 0");
  EXPECT_EQ(pausing.ends(0), "all_stopped");
}

TEST(supervision, stop_while_giving_up_says_both) {
  group_script s{strategy::one_for_all, 0};
  s.start();
  s.fails(1);
  EXPECT_EQ(s.stop(), "");
  EXPECT_EQ(s.ends(2), "stop 0");
  EXPECT_EQ(s.ends(0), "gave_up 1; all_stopped");
}

// ---- backoff ------------------------------------------------------------------------------------

TEST(supervision, backoff_is_capped_and_spread_by_the_jitter) {
  policy p;
  p.jitter = 0;
  seeded_random random{3};
  EXPECT_EQ(backoff(p, 0, random), milliseconds{100});
  EXPECT_EQ(backoff(p, 3, random), milliseconds{800});
  EXPECT_EQ(backoff(p, 4'000'000'000u, random), milliseconds{10'000});
  p.jitter = 0.2;
  auto least = milliseconds::max();
  auto most = milliseconds::min();
  for (int i = 0; i < 1000; ++i) {
    const auto delay = backoff(p, 0, random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, milliseconds{80});
  EXPECT_LT(least, milliseconds{85});
  EXPECT_LE(most, milliseconds{120});
  EXPECT_GT(most, milliseconds{115});
  p.backoff_base = milliseconds{0};
  EXPECT_EQ(backoff(p, 9, random), milliseconds{0});
}

} // namespace
} // namespace tayfa::supervision
