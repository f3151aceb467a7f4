// Children that keep failing, where the policy has a quarantine for them.
#include "tests/unit/core/supervision_script.hpp"

namespace tayfa::supervision {
namespace {

group_script with_quarantine(strategy how = strategy::one_for_one) {
  return group_script{how, 1, {restart::permanent, restart::permanent}, seconds{60}};
}

TEST(quarantine, takes_the_place_of_giving_up) {
  auto s = with_quarantine();
  s.start();
  EXPECT_EQ(s.fails(1), "later 1 100");
  s.due();
  EXPECT_EQ(s.fails(1), "quarantined 1 60000; later 1 60000");
  EXPECT_EQ(s.states(), "running quarantined") << "the others live on";
  EXPECT_EQ(s.fails(1), "") << "it does not live";
  EXPECT_EQ(s.due(), "start 1");
  EXPECT_EQ(s.states(), "running running");
}

TEST(quarantine, grows_while_the_one_try_after_it_fails) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  for (const auto* time : {"120000", "240000", "480000", "480000"}) {
    EXPECT_EQ(s.due(), "start 1");
    EXPECT_EQ(s.fails(1), std::string{"quarantined 1 "} + time + "; later 1 " + time);
  }
}

TEST(quarantine, is_forgotten_after_a_healthy_life) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  s.due();
  s.now += seconds{30};
  EXPECT_EQ(s.fails(1), "later 1 100") << "as if nothing had been";
  s.due();
  EXPECT_EQ(s.fails(1), "quarantined 1 60000; later 1 60000");
}

TEST(quarantine, of_one_child_costs_the_others_nothing) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  const auto out_again = s.timer;
  EXPECT_EQ(s.fails(0), "later 0 100");
  EXPECT_EQ(s.due(), "start 0");
  EXPECT_EQ(s.due(out_again), "start 1");
}

TEST(quarantine, ends_with_a_stop) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  EXPECT_EQ(s.stop(), "stop 0");
  EXPECT_EQ(s.ends(0), "all_stopped");
  EXPECT_EQ(s.states(), "stopped stopped");
  EXPECT_EQ(s.due(), "");
}

TEST(quarantine, is_not_counted_against_a_child_that_its_work_brought_down) {
  auto s = with_quarantine();
  s.start();
  s.fails(1);
  s.due();
  s.fails(1);
  s.due();
  EXPECT_EQ(s.is_excused(1), "start 1");
  EXPECT_EQ(s.fails(1), "quarantined 1 120000; later 1 120000");
}

TEST(quarantine, is_for_children_that_are_restarted_alone) {
  auto s = with_quarantine(strategy::one_for_all);
  s.start();
  s.fails(1);
  s.ends(0);
  s.due();
  s.fails(1);
  EXPECT_EQ(s.ends(0), "gave_up 1");
}

} // namespace
} // namespace tayfa::supervision
