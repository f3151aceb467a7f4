// bench_placement [JOBS [SEED]]: compares placement policies in a simulation, then measures the
// cost of fair_queue and placement.
#include "tests/bench/placement_sim.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/core/fairness/fair_queue.hpp"
#include "runtime/core/workers/placement.hpp"
#include "runtime/core/workers/run_times.hpp"

#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <string>
#include <vector>

namespace {

using namespace tayfa;
using namespace tayfa::testing;

void compare(const sim_setup& setup) {
  std::printf("\n%s, load %.0f %%, %zu jobs, seed %llu (seconds)\n", setup.name.c_str(),
              setup.load * 100, setup.jobs, static_cast<unsigned long long>(setup.seed));
  std::printf("%-18s %8s %8s %8s | %8s %8s %8s | %6s | busy\n", "", "wait", "p95", "p99", "finish",
              "p95", "p99", "loads");
  double first_free = 0;
  double least_loaded = 0;
  double round_robin = 0;
  double expected = 0;
  for (const sim_policy policy : sim_policies) {
    const sim_outcome o = simulate(setup, policy);
    std::printf("%-18s %8.2f %8.2f %8.2f | %8.2f %8.2f %8.2f | %6zu |", to_string(policy),
                o.waiting.mean / 1e3, o.waiting.p95 / 1e3, o.waiting.p99 / 1e3, o.finish.mean / 1e3,
                o.finish.p95 / 1e3, o.finish.p99 / 1e3, o.loads);
    for (const auto& [kind, share] : o.busy) {
      std::printf(" %s %.0f %%", kind.c_str(), share * 100);
    }
    std::printf("\n");
    round_robin = policy == sim_policy::round_robin ? o.finish.mean : round_robin;
    least_loaded = policy == sim_policy::least_loaded ? o.finish.mean : least_loaded;
    first_free = policy == sim_policy::first_free ? o.finish.mean : first_free;
    expected = policy == sim_policy::expected_finish ? o.finish.mean : expected;
  }
  std::printf("mean finish, expected finish as 1: round robin %.2f, least loaded %.2f, first free "
              "%.2f\n",
              round_robin / expected, least_loaded / expected, first_free / expected);
}

// ---- cost of the policies ----------------------------------------------------------------------

double ns_since(moment start) {
  return static_cast<double>((system_time{}.now() - start).count());
}

/// Adds `jobs` jobs of tenants and groups, then makes as many decisions with the full queue: first,
/// remove, started, ended, add.
void fair_queue_cost(std::size_t jobs, std::size_t tenants, std::size_t groups) {
  seeded_random random(1);
  std::vector<std::string> names;
  std::vector<group_key> keys;
  for (std::size_t i = 0; i < tenants; ++i) {
    names.push_back("tenant-" + std::to_string(i));
  }
  for (std::size_t i = 0; i < groups; ++i) {
    keys.push_back({"model-" + std::to_string(i % 3), "shape-" + std::to_string(i), 0});
  }
  std::vector<fair_queue::place> places(jobs);
  for (std::size_t i = 0; i < jobs; ++i) {
    const auto late = milliseconds{i + (random.next() % 4 == 0 ? 60'000 : 0)};
    places[i] = {names[random.next() % tenants], keys[random.next() % groups], moment{late}, i};
  }
  const std::size_t before = mallinfo2().uordblks;
  fair_queue lines({}, {});
  auto start = system_time{}.now();
  for (const auto& p : places) {
    lines.add(p);
  }
  const double add = ns_since(start) / static_cast<double>(jobs);
  const double bytes =
      static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(jobs);

  const std::vector<fair_queue::group_id> nothing;
  const std::vector<fair_queue::group_id> passed{lines.first({})->group};
  constexpr std::size_t looks = 200'000;
  std::size_t found = 0;
  start = system_time{}.now();
  for (std::size_t i = 0; i < looks; ++i) {
    found += lines.first(nothing).has_value() ? 1 : 0;
  }
  const double first = ns_since(start) / looks;
  start = system_time{}.now();
  for (std::size_t i = 0; i < looks; ++i) {
    found += lines.first(passed).has_value() ? 1 : 0;
  }
  const double first_passed = ns_since(start) / looks;

  constexpr std::size_t decisions = 200'000;
  start = system_time{}.now();
  for (std::size_t i = 0; i < decisions; ++i) {
    auto& p = places[lines.first(nothing)->order % jobs];
    lines.remove(p);
    lines.started(p.tenant, milliseconds{100});
    lines.ended(p.tenant, milliseconds{100}, milliseconds{90});
    p.order += jobs;
    p.urgency += milliseconds{jobs};
    lines.add(p);
  }
  const double cycle = ns_since(start) / decisions;
  start = system_time{}.now();
  for (const auto& p : places) {
    lines.remove(p);
  }
  const double remove = ns_since(start) / static_cast<double>(jobs);
  std::printf("%9zu %8zu %7zu | %8.0f %8.0f %8.0f %8.0f %8.0f | %8.0f%s\n", jobs, tenants, groups,
              add, first, first_passed, cycle, remove, bytes,
              found > 0 && lines.size() == 0 ? "" : " (wrong)");
}

void choose_cost(std::size_t workers) {
  seeded_random random(1);
  std::vector<placement::option> options(workers);
  for (auto& o : options) {
    o.has_room = random.next() % 4 == 0;
    o.free_in_ms = o.has_room ? 0 : 1'000 * random.unit();
    o.loaded = random.next() % 2 == 0;
    o.load_ms = 5'000;
    o.run_ms = random.next() % 2 == 0 ? 300 : 900;
  }
  constexpr std::size_t times = 500'000;
  std::size_t sum = 0;
  const auto start = system_time{}.now();
  for (std::size_t i = 0; i < times; ++i) {
    options[i % workers].free_in_ms += 1;
    sum += placement::choose(options, {i % 100 + 1, 0.001})->index;
  }
  std::printf("choose over %zu: %.0f ns (%zu)\n", workers, ns_since(start) / times, sum % 2);
}

void expect_cost() {
  run_times times;
  const work_kind kind{"model-1", "shape-1", "NVIDIA H200"};
  for (std::size_t i = 0; i < 1'000; ++i) {
    times.ran({"model-" + std::to_string(i % 10), "shape-" + std::to_string(i), "NVIDIA H200"}, 1,
              100);
  }
  constexpr std::size_t looks = 500'000;
  double sum = 0;
  const auto start = system_time{}.now();
  for (std::size_t i = 0; i < looks; ++i) {
    sum += times.expect(kind).ms;
  }
  std::printf("expect of 1000 kinds: %.0f ns%s\n", ns_since(start) / looks, sum > 0 ? "" : "?");
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t jobs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  if (jobs > 0) {
    for (const auto& setup : sim_setups(jobs, seed)) {
      compare(setup);
    }
  }
  std::printf("\nfair_queue (ns each; a cycle is first, remove, started, ended, add)\n");
  std::printf("%9s %8s %7s | %8s %8s %8s %8s %8s | %8s\n", "waiting", "tenants", "groups", "add",
              "first", "passed 1", "cycle", "remove", "bytes/job");
  for (const std::size_t waiting : {1'000U, 10'000U, 100'000U, 1'000'000U}) {
    fair_queue_cost(waiting, 1, 1);
    fair_queue_cost(waiting, 10, 6);
    fair_queue_cost(waiting, 1'000, 6);
  }
  fair_queue_cost(1'000'000, 100, 1'000);
  fair_queue_cost(1'000'000, 100'000, 6);
  std::printf("\n");
  choose_cost(8);
  choose_cost(64);
  expect_cost();
  return 0;
}
