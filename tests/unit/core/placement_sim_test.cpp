// The comparison of bench_placement in a short form: the order of the ways of placing jobs, from
// fixed seeds. What is compared is the mean time from a job's arrival to its end.
#include "tests/bench/placement_sim.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

constexpr std::size_t jobs = 2'000;

double mean_finish(const sim_setup& setup, sim_policy policy) {
  const sim_outcome outcome = simulate(setup, policy);
  EXPECT_EQ(outcome.completed, setup.jobs) << setup.name << ' ' << to_string(policy);
  return outcome.finish.mean;
}

bool has(const sim_setup& setup, const std::string& words) {
  return setup.name.find(words) != std::string::npos;
}

TEST(placement_sim, expected_finish_is_nowhere_worse_and_better_where_workers_differ) {
  for (const std::uint64_t seed : {1U, 2U}) {
    for (const sim_setup& setup : sim_setups(jobs, seed)) {
      const std::string what =
          setup.name + " at " + std::to_string(setup.load) + ", seed " + std::to_string(seed);
      const double mine = mean_finish(setup, sim_policy::expected_finish);
      const double least_loaded = mean_finish(setup, sim_policy::least_loaded);
      const double first_free = mean_finish(setup, sim_policy::first_free);
      const double round_robin = mean_finish(setup, sim_policy::round_robin);
      // The strongest of the others looks at no times at all, so that it never errs in them.
      EXPECT_LE(mine, std::min(least_loaded, first_free) * 1.05) << what;
      EXPECT_LE(mine, round_robin) << what;
      if (has(setup, "three models")) { // the others change models all the time
        EXPECT_GE(std::min(least_loaded, first_free), mine * 5) << what;
      } else if (has(setup, "slower")) {
        EXPECT_GE(least_loaded, mine * 1.2) << what;
        if (setup.load < 0.7) {
          EXPECT_GE(first_free, mine * 1.1) << what;
        }
      }
    }
  }
}

TEST(placement_sim, slow_gpus_are_used_more_as_the_load_grows) {
  double before = 0;
  for (const sim_setup& setup : sim_setups(jobs, 3)) {
    if (has(setup, "4 fast, 4 three times slower, one model")) {
      const auto busy = simulate(setup, sim_policy::expected_finish).busy;
      EXPECT_GT(busy.at("slow"), before) << setup.load;
      EXPECT_GT(busy.at("fast"), busy.at("slow") - 0.05) << setup.load;
      before = busy.at("slow");
    }
  }
  EXPECT_GT(before, 0.75);
}

TEST(placement_sim, is_deterministic) {
  const sim_setup setup = sim_setups(500, 4)[4];
  const auto one = simulate(setup, sim_policy::expected_finish);
  const auto two = simulate(setup, sim_policy::expected_finish);
  EXPECT_EQ(one.finish.mean, two.finish.mean);
  EXPECT_EQ(one.waiting.p99, two.waiting.p99);
  EXPECT_EQ(one.loads, two.loads);
}

} // namespace
} // namespace tayfa::testing
