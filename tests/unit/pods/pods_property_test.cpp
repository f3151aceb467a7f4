// Random lives of a head and its pods: links are cut, blackholed and slow, both ends end and begin
// anew. Afterwards every job has ended once, and nothing is left anywhere.
#include "tests/unit/pods/pod_world.hpp"

#include <cstdlib>

namespace tayfa::pods::testing {
namespace {

std::uint64_t seeds(std::uint64_t usual) {
  const char* const wanted = std::getenv("TAYFA_POD_SEEDS");
  return wanted == nullptr ? usual : std::strtoull(wanted, nullptr, 10);
}

TEST(pods_property, a_calm_fleet_runs_every_job_once) {
  world_options o;
  o.faults = false;
  pod_world w{o};
  w.run(20);
  w.heal();
  w.check();
  EXPECT_EQ(w.executions.size(), o.jobs);
  for (const auto& [attempt, times] : w.executions) {
    EXPECT_EQ(times, 1U) << to_string(attempt);
  }
}

TEST(pods_property, every_job_ends_once_whatever_happens_to_links_and_ends) {
  std::uint64_t cuts = 0, head_restarts = 0, pod_restarts = 0, reread = 0, chunks = 0, holes = 0;
  for (std::uint64_t seed = 1; seed <= seeds(120) && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    world_options o;
    o.seed = seed;
    o.batches = seed % 3 == 0;
    o.output_bytes = seed % 4 == 0 ? 700'000 : 40;
    o.few_chunks = seed % 5 == 0;
    o.pod.stored_parts_max = o.few_chunks ? 1'000 : o.pod.stored_parts_max;
    pod_world w{o};
    w.run(400);
    w.heal();
    w.check();
    cuts += w.cuts;
    head_restarts += w.head_restarts;
    pod_restarts += w.pod_restarts;
    reread += w.results_reread;
    chunks += w.chunks.size();
    holes += w.queue.holes.size();
  }
  EXPECT_GT(cuts, 0U);
  EXPECT_GT(head_restarts, 0U);
  EXPECT_GT(pod_restarts, 0U);
  EXPECT_GT(reread, 0U) << "results of earlier lives were reported";
  EXPECT_GT(chunks, 0U);
  EXPECT_GT(holes, 0U) << "chunks that a pod could not keep";
}

} // namespace
} // namespace tayfa::pods::testing
