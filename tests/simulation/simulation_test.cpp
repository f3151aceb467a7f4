// Runs every scenario with a few seeds, and checks two invariants of the simulation itself: the
// same seed gives the same log, and another seed gives another one. Thousands of seeds: make sim.
#include "actors/sim/simulation.hpp"

#include <gtest/gtest.h>

namespace tayfa::sim {
namespace {

constexpr std::uint64_t seeds = 8;

std::string sentences(const outcome& o) {
  std::string text;
  for (const auto& v : o.violations) {
    text += v + "\n";
  }
  return text;
}

class every_scenario : public testing::TestWithParam<scenario> {};

TEST_P(every_scenario, keeps_its_promises) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto o = simulate(GetParam(), seed);
    EXPECT_TRUE(o.violations.empty()) << sentences(o) << "replay: build/tayfa sim --scenario "
                                      << GetParam().name << " --seed " << seed << " --log";
  }
}

TEST_P(every_scenario, is_the_same_for_the_same_seed) {
  const auto once = simulate(GetParam(), 4711);
  const auto again = simulate(GetParam(), 4711);
  EXPECT_EQ(once.log, again.log);
  EXPECT_EQ(once.steps, again.steps);
  EXPECT_FALSE(once.log.empty());
}

INSTANTIATE_TEST_SUITE_P(all, every_scenario, testing::ValuesIn(scenarios()),
                         [](const auto& tested) { return tested.param.name; });

TEST(simulation, another_seed_is_another_run) {
  const auto& normal = scenarios().front();
  EXPECT_NE(simulate(normal, 1).log, simulate(normal, 2).log);
}

TEST(simulation, a_normal_life_passes_every_pod_state_in_order) {
  const auto o = simulate(scenarios().front(), 1);
  ASSERT_GE(o.pod_states.size(), 6U);
  EXPECT_EQ((std::vector<std::string>{o.pod_states.begin(), o.pod_states.begin() + 4}),
            (std::vector<std::string>{"STARTING", "CONFIGURING", "LAUNCHING", "READY"}));
  EXPECT_EQ(o.pod_states[o.pod_states.size() - 2], "STOPPING");
  EXPECT_EQ(o.pod_states.back(), "STOPPED");
  EXPECT_EQ(o.exit.code, 0);
}

// The oracle must be able to fail: it detects violated promises.
TEST(simulation, the_oracle_sees_a_wrong_exit_code) {
  auto wrong = scenarios().front();
  wrong.exit_code = 42;
  EXPECT_NE(sentences(simulate(wrong, 1)).find("exit code 0"), std::string::npos);
}

TEST(simulation, the_oracle_sees_jobs_that_end_otherwise_than_they_should) {
  auto wrong = scenarios().front();
  wrong.work->mix = job_mix{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}; // only jobs that crash their engine
  wrong.faulty = false;
  wrong.work->jobs = 3;
  const auto o = simulate(wrong, 1);
  // The jobs end FAILED, as the scenario expects. Allowing only COMPLETED must be detected.
  EXPECT_TRUE(o.violations.empty()) << sentences(o);
  EXPECT_EQ(o.ends.at("FAILED"), 3U);
}

TEST(simulation, the_oracle_sees_a_pod_that_cannot_start) {
  auto wrong = scenarios().front();
  wrong.behaviors[0].init_crash = true; // every incarnation, although the scenario promises exit
                                        // code 0
  EXPECT_NE(sentences(simulate(wrong, 1)).find("exit code 69"), std::string::npos);
}

} // namespace
} // namespace tayfa::sim
