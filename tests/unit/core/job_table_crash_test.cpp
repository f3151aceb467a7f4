// Everything that was promised holds, whenever the process dies: random operations with crashes at
// random points, over a store without faults, over SQLite, and over SQLite on a disk that fills up,
// fails and loses power.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "tests/unit/core/crash_world.hpp"
#include "tests/unit/core/model_size.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <utility>

namespace tayfa::testing {
namespace {

crash_world::tally run(const crash_world::make_keeper& make, const model_size& size) {
  crash_world::tally all;
  for (std::uint64_t seed = 1; seed <= size.seeds && !::testing::Test::HasFailure(); ++seed) {
    crash_world world{seed, make};
    for (std::uint64_t i = 0; i < size.steps && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("seed=" + std::to_string(seed) + " step=" + std::to_string(i));
      world.step();
    }
    if (::testing::Test::HasFailure()) {
      break;
    }
    SCOPED_TRACE("seed=" + std::to_string(seed) + " at the end");
    world.heal_and_drain();
    all += world.seen();
  }
  std::printf(
      "%zu accepted, %zu given out, %zu crashes, %zu withdrawn, %zu completed, %zu dead, %zu "
      "poisoned, %zu retried, %zu late, %zu compared\n",
      all.accepted, all.given, all.crashes, all.withdrawn, all.completed, all.dead, all.poisoned,
      all.retried, all.late, all.compared);
  std::printf(
      "of platforms: %zu taken, %zu told, %zu posted, %zu not, %zu refused, %zu unheard, %zu given "
      "up, %zu stopped, %zu told again, %zu lived again, %zu anew; %zu stops, %zu kept; remote: "
      "%zu "
      "given out, %zu resized, %zu unreached\n",
      all.taken, all.undelivered, all.posted, all.unposted, all.refused, all.unheard, all.given_up,
      all.stopped, all.told_again, all.lived_again, all.new_again, all.stops, all.kept, all.remote,
      all.resized, all.unreached);
  return all;
}

/// The random steps must have led to all of it, or they test less than they seem to.
void expect_all_seen(const crash_world::tally& t) {
  const std::pair<const char*, std::size_t> all[] = {
      {"accepted", t.accepted},
      {"crashes", t.crashes},
      {"given", t.given},
      {"completed", t.completed},
      {"dead", t.dead},
      {"poisoned", t.poisoned},
      {"retried", t.retried},
      {"late", t.late},
      {"again", t.again},
      {"cancelled", t.cancelled},
      {"bounded", t.bounded},
      {"dropped", t.dropped},
      {"hooks", t.hooks},
      {"changed", t.changed},
      {"leases", t.leases},
      {"compared", t.compared},
      {"taken", t.taken},
      {"undelivered", t.undelivered},
      {"posted", t.posted},
      {"unposted", t.unposted},
      {"refused", t.refused},
      {"unheard", t.unheard},
      {"given up", t.given_up},
      {"stopped", t.stopped},
      {"told again", t.told_again},
      {"lived again", t.lived_again},
      {"given anew", t.new_again},
      {"remote", t.remote},
      {"resized", t.resized},
      {"unreached", t.unreached},
      {"stops", t.stops},
      {"kept", t.kept},
  };
  for (const auto& [what, n] : all) {
    EXPECT_GT(n, 0u) << what;
  }
}

TEST(job_table_crash, promises_hold_over_a_store_without_faults) {
  const auto seen = run(keep_in_memory, model_size(20, 10'000));
  expect_all_seen(seen);
  EXPECT_GT(seen.withdrawn, 0u);
}

TEST(job_table_crash, promises_hold_over_sqlite) {
  const auto seen = run(keep_in_sqlite, model_size(4, 6'000));
  expect_all_seen(seen);
  EXPECT_GT(seen.fetched, 0u);
}

TEST(job_table_crash, promises_hold_over_a_disk_that_fails_and_loses_power) {
  const auto seen = run(keep_on_failing_disk, model_size(10, 6'000));
  expect_all_seen(seen);
  EXPECT_GT(seen.withdrawn, 0u);
  EXPECT_GT(seen.fetched, 0u);
}

} // namespace
} // namespace tayfa::testing
