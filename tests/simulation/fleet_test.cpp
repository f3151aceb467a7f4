// Heads and their pods over a simulated network: every scenario with a few seeds. Thousands of
// seeds: make sim.
#include "actors/sim/fleet.hpp"

#include <gtest/gtest.h>

namespace tayfa::sim {
namespace {

constexpr std::uint64_t seeds = 8;

} // namespace

void PrintTo(const fleet_scenario& s, std::ostream* out) {
  *out << s.name;
}

namespace {

std::string sentences(const outcome& o) {
  std::string text;
  for (const auto& v : o.violations) {
    text += v + "\n";
  }
  return text;
}

class every_fleet : public testing::TestWithParam<fleet_scenario> {};

TEST_P(every_fleet, keeps_its_promises) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto o = simulate_fleet(GetParam(), seed);
    EXPECT_TRUE(o.violations.empty()) << sentences(o) << "replay: build/tayfa sim --scenario "
                                      << GetParam().name << " --seed " << seed << " --log";
  }
}

TEST_P(every_fleet, is_the_same_for_the_same_seed) {
  const auto once = simulate_fleet(GetParam(), 4711);
  const auto again = simulate_fleet(GetParam(), 4711);
  EXPECT_EQ(once.log, again.log);
  EXPECT_EQ(once.steps, again.steps);
}

INSTANTIATE_TEST_SUITE_P(all, every_fleet, testing::ValuesIn(fleet_scenarios()),
                         [](const auto& tested) { return tested.param.name; });

TEST(fleet, jobs_run_on_pods_and_the_faults_of_a_scenario_happen) {
  const auto of = [](const std::string& name) {
    for (const auto& s : fleet_scenarios()) {
      if (s.name == name) {
        return simulate_fleet(s, 1);
      }
    }
    return outcome{};
  };
  const auto quiet = of("fleet");
  EXPECT_EQ(quiet.lives, 1U);
  EXPECT_GT(quiet.ends.at("COMPLETED"), 15U);
  EXPECT_GE(of("fleet_kill_head").lives, 2U);
  EXPECT_GT(of("fleet_kill_pods").lives, 2U);
}

// The oracle must be able to fail.
TEST(fleet, the_oracle_sees_jobs_that_no_pod_runs) {
  auto wrong = fleet_scenarios().front();
  wrong.slots = 0;
  wrong.work.jobs = 2;
  EXPECT_NE(sentences(simulate_fleet(wrong, 1)).find("never had all"), std::string::npos);
}

} // namespace
} // namespace tayfa::sim
