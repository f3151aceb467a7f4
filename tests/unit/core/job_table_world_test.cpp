// Everything that a job table does at random is what the naive model of the queue says, whatever
// its store refuses and whenever the process dies: over a store in memory, over SQLite, and over
// SQLite on a disk that fills up, fails and loses power. A failure prints its seed and step.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "runtime/base/random.hpp"
#include "tests/job_model/job_world.hpp"
#include "tests/unit/core/model_size.hpp"
#include "tests/unit/core/row_keepers.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

void run(const make_keeper& make, const model_size& size) {
  std::set<std::string> seen;
  int failures = 0;
  for (std::uint64_t seed = 1; seed <= size.seeds && failures < 5; ++seed) {
    seeded_random random{seed};
    job_world world{[&random](std::uint64_t n) { return random.next() % n; }, make};
    std::uint64_t step = 0;
    while (step < size.steps && world.broken().empty()) {
      world.step();
      ++step;
    }
    if (world.broken().empty()) {
      world.heal_and_drain();
    }
    if (!world.broken().empty()) { // the others follow from it
      ADD_FAILURE() << world.broken().front() << "\nseed=" << seed << " step=" << step;
      ++failures;
    }
    seen.insert(world.seen().begin(), world.seen().end());
  }
  for (const auto& event : world_events) {
    EXPECT_TRUE(seen.contains(event)) << "never saw " << event;
  }
}

TEST(job_table_world, agrees_with_the_model_over_a_store_in_memory) {
  run(keep_in_memory, model_size(200, 500));
}
TEST(job_table_world, agrees_with_the_model_over_sqlite) {
  run(keep_in_sqlite, model_size(10, 1'000));
}
TEST(job_table_world, agrees_with_the_model_over_a_disk_that_fails_and_loses_power) {
  run(keep_on_failing_disk, model_size(30, 1'000));
}

} // namespace
} // namespace tayfa::testing
