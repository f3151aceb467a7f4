// Random workers, answers that get lost, kills, revokes and restarts, against the promises of the
// registry (random_workers). A failure names its seed.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "tests/unit/core/model_size.hpp"
#include "tests/unit/runpod_platform/random_workers.hpp"

#include <gtest/gtest.h>

namespace tayfa::remote::testing {
namespace {

TEST(worker_registry, keeps_its_promises_in_random_workers) {
  const tayfa::testing::model_size size{40, 3'000};
  std::map<std::string, std::size_t> seen;
  for (std::uint64_t seed = 1; seed <= size.seeds; ++seed) {
    random_workers around{seed};
    for (std::uint64_t i = 0; i < size.steps && around.broken.empty(); ++i) {
      around.step();
      ASSERT_TRUE(around.broken.empty())
          << "seed " << seed << ", step " << i << ": " << *around.broken.begin();
    }
    around.finish();
    ASSERT_TRUE(around.broken.empty()) << "seed " << seed << ": " << *around.broken.begin();
    for (const auto& [what, times] : around.seen) {
      seen[what] += times;
    }
  }
  for (const auto* what : {"given",
                           "revoked",
                           "one handed out",
                           "several handed out",
                           "stops sent",
                           "nothing",
                           "turned away",
                           "completed",
                           "given back",
                           "cancelled",
                           "result taken",
                           "result refused",
                           "left by lease_expired",
                           "left by unfit",
                           "queue restarted",
                           "owner restarted",
                           "process restarted",
                           "announced anew",
                           "claimed",
                           "claimed in vain",
                           "not claimed"}) {
    EXPECT_GT(seen[what], 0U) << what;
  }
}

} // namespace
} // namespace tayfa::remote::testing
