// Jobs and GPUs of several kinds, simulated event by event, to compare ways of placing jobs.
// Pure: the same setup gives the same numbers. Used by bench_placement and by policy_test.
//
// Assumptions: a worker runs one job at a time, a run takes the job's work divided by the device's
// speed, a worker has one model and changes it before a job of another; arrivals are Poisson, work
// is log-normal (heavy-tailed), and no policy knows a job's duration in advance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tayfa::testing {

struct sim_device {
  std::string kind;
  double speed = 1; ///< work done in a millisecond
};
struct sim_model {
  std::string name;
  double work_ms = 1'000; ///< mean, on a device of speed 1
  double load_ms = 0;
  double share = 1; ///< of all jobs, relative to the other models
};
struct sim_setup {
  std::string name;
  std::vector<sim_device> devices; ///< one worker each
  std::vector<sim_model> models;
  double load = 0.8;  ///< fraction of all devices' capacity, without changes of models
  double sigma = 1.0; ///< of the logarithm of the work; 0 = all alike
  std::size_t jobs = 10'000;
  std::uint64_t seed = 1;
};

enum class sim_policy : std::uint8_t {
  round_robin,     ///< each arriving job to the next worker's own queue
  least_loaded,    ///< each arriving job to the worker that holds fewest
  first_free,      ///< one queue; the worker that is free, idle longest
  free_with_model, ///< the same, one that has the model first
  expected_finish, ///< fair_queue, placement::choose, with run_times that start empty
  informed,        ///< the same, with the true mean times from the beginning
};
const char* to_string(sim_policy);
inline constexpr sim_policy sim_policies[] = {
    sim_policy::round_robin,     sim_policy::least_loaded,    sim_policy::first_free,
    sim_policy::free_with_model, sim_policy::expected_finish, sim_policy::informed};

struct sim_times {
  double mean = 0;
  double p95 = 0;
  double p99 = 0;
};
struct sim_outcome {
  sim_times waiting;                  ///< until the run (or its load) starts
  sim_times finish;                   ///< from arrival to the end
  std::map<std::string, double> busy; ///< share of the time in runs, by kind of device
  std::size_t loads = 0;
  std::size_t completed = 0;
};

sim_outcome simulate(const sim_setup&, sim_policy);

/// The compared settings: equal, mixed and very different GPUs, one model and several.
std::vector<sim_setup> sim_setups(std::size_t jobs, std::uint64_t seed);

} // namespace tayfa::testing
