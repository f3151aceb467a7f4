#include "cluster/program/sim_command.hpp"

#include "actors/sim/fleet.hpp"
#include "actors/sim/simulation.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

namespace tayfa {

namespace {

struct sim_options {
  std::uint64_t seeds = 10;
  std::uint64_t first = 1;
  std::string only;
  bool list = false;
  bool log = false;
  bool keep_going = false;
};

struct tally {
  std::uint64_t runs = 0;
  std::uint64_t broken = 0;
  std::uint64_t steps = 0;
  double virtual_hours = 0;
  std::map<std::string, std::uint64_t> ends;
};

template <class Scenario>
void report_failure(const Scenario& s, std::uint64_t seed, const sim::outcome& o) {
  std::printf("BROKEN scenario=%s seed=%llu\n", s.name.c_str(),
              static_cast<unsigned long long>(seed));
  for (const auto& v : o.violations) {
    std::printf("  %s\n", v.c_str());
  }
  std::printf("  replay: tayfa sim --scenario %s --seed %llu --log\n", s.name.c_str(),
              static_cast<unsigned long long>(seed));
}

sim::outcome outcome_of(const sim::scenario& s, std::uint64_t seed) {
  return sim::simulate(s, seed);
}
sim::outcome outcome_of(const sim::fleet_scenario& s, std::uint64_t seed) {
  return sim::simulate_fleet(s, seed);
}

/// Every hundredth seed runs twice: the same seed must give the same log, byte for byte.
template <class Scenario>
void run_one(const Scenario& s, std::uint64_t seed, const sim_options& o, tally& t) {
  auto result = outcome_of(s, seed);
  if (seed % 100 == 1 && outcome_of(s, seed).log != result.log) {
    result.violations.emplace_back("the same seed gave another log");
  }
  ++t.runs;
  t.steps += result.steps;
  t.virtual_hours += static_cast<double>(result.virtual_time.count()) / 3'600'000.0;
  for (const auto& [state, n] : result.ends) {
    t.ends[state] += n;
  }
  if (o.log) {
    std::fwrite(result.log.data(), 1, result.log.size(), stdout);
  }
  if (!result.violations.empty()) {
    ++t.broken;
    report_failure(s, seed, result);
  }
}

template <class Scenario>
void print(const std::vector<Scenario>& all) {
  for (const auto& s : all) {
    std::printf("%-32s %s\n", s.name.c_str(), s.text.c_str());
  }
}

/// False: a run broke, and no more are to follow.
template <class Scenario>
bool run_all(const std::vector<Scenario>& all, const sim_options& o, tally& t, bool& found) {
  for (const auto& s : all) {
    if (!o.only.empty() && s.name != o.only) {
      continue;
    }
    found = true;
    for (std::uint64_t seed = o.first; seed < o.first + o.seeds; ++seed) {
      run_one(s, seed, o, t);
      if (t.broken > 0 && !o.keep_going) {
        return false;
      }
    }
  }
  return true;
}

int run_sim(const sim_options& o) {
  if (o.list) {
    print(sim::scenarios());
    print(sim::fleet_scenarios());
    return 0;
  }
  tally t;
  bool found = false;
  if (!run_all(sim::scenarios(), o, t, found) || !run_all(sim::fleet_scenarios(), o, t, found)) {
    return 1;
  }
  if (!found) {
    std::fprintf(stderr, "no scenario is named %s; see: tayfa sim --list\n", o.only.c_str());
    return 64;
  }
  std::printf("%llu runs, %llu broken, %llu steps, %.1f virtual hours; jobs:",
              static_cast<unsigned long long>(t.runs), static_cast<unsigned long long>(t.broken),
              static_cast<unsigned long long>(t.steps), t.virtual_hours);
  for (const auto& [state, n] : t.ends) {
    std::printf(" %s %llu", state.c_str(), static_cast<unsigned long long>(n));
  }
  std::printf("\n");
  return t.broken == 0 ? 0 : 1;
}

} // namespace

void add_sim_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<sim_options>();
  auto* cmd = app.add_subcommand("sim", "run the whole pod in virtual time from a seed");
  cmd->add_option("--seeds", options->seeds, "seeds per scenario")->check(CLI::PositiveNumber);
  auto* one = cmd->add_option("--seed", options->first, "the first seed; alone, the only one");
  cmd->add_option("--scenario", options->only, "only this scenario");
  cmd->add_flag("--list", options->list, "list the scenarios");
  cmd->add_flag("--log", options->log, "print the pod's log");
  cmd->add_flag("--keep-going", options->keep_going, "do not stop at the first broken run");
  cmd->callback([options, one, cmd, &exit_code] {
    if (one->count() > 0 && cmd->get_option("--seeds")->count() == 0) {
      options->seeds = 1;
    }
    exit_code = run_sim(*options);
  });
}

} // namespace tayfa
