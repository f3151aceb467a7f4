// Everything that a job table does at random is what the naive model of the queue says, whatever
// its store refuses and whenever the process dies: over a store in memory, over SQLite, and over
// SQLite on a disk that fills up, fails and loses power. A failure prints its seed and step.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "runtime/base/random.hpp"
#include "tests/job_model/job_world.hpp"
#include "tests/unit/core/model_size.hpp"
#include "tests/unit/core/row_keepers.hpp"

#include <algorithm>
#include <cstdlib>
#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

/// The events that never occurred; of a run of another length there may be some.
std::set<std::string> run(const make_keeper& make, const model_size& size) {
  std::set<std::string> unseen{world_events.begin(), world_events.end()};
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
    std::erase_if(unseen, [&](const std::string& event) {
      return std::count(world.unseen().begin(), world.unseen().end(), event) == 0;
    });
  }
  return unseen;
}

const bool usual_length = std::getenv("TAYFA_MODEL_SEEDS") == nullptr;

TEST(job_table_world, agrees_with_the_model_over_a_store_in_memory) {
  const auto unseen = run(keep_in_memory, model_size(200, 500));
  if (usual_length) {
    EXPECT_THAT(unseen, ::testing::ElementsAre("fetched"))
        << "only SQLite has texts that are not in memory";
  }
}
TEST(job_table_world, agrees_with_the_model_over_sqlite) {
  run(keep_in_sqlite, model_size(10, 1'000)); // too few steps for all events
}
TEST(job_table_world, agrees_with_the_model_over_a_disk_that_fails_and_loses_power) {
  const auto unseen = run(keep_on_failing_disk, model_size(30, 1'000));
  if (usual_length) {
    EXPECT_THAT(unseen, ::testing::IsEmpty());
  }
}

} // namespace
} // namespace tayfa::testing
