// `tayfa config` and `tayfa check`: the settings in force with their sources, and the fitness of
// this machine.
//
// add_config_command() and add_check_command() are for main; run_config() and run_check() are the
// commands without the command line. All take their environment as arguments: nothing here reads
// environment variables (except NO_COLOR) or starts a process by itself.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/config/config.hpp"
#include "runtime/machine/probe.hpp"

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// Exit codes of these commands, besides those of `fitness`.
struct machine_exit {
  static constexpr int bad_config = 65;
  static constexpr int internal =
      70; ///< no probe could be made, or the output could not be written
};

/// Makes the probe, only when `check` runs. The probe lives until the command ends.
using probe_factory = std::function<result<std::unique_ptr<machine_probe>>()>;

enum class config_output : std::uint8_t { table, json, toml, markdown };

struct config_command {
  config_output output = config_output::table;
  config_sources sources;
};

/// Prints to `out`; every error of a bad configuration to `err`, one per line (65).
int run_config(const config_command&, std::ostream& out, std::ostream& err);

struct check_command {
  std::string engine{auto_engine_choice};
  std::string auto_engine; ///< the kind that `auto` stands for, of those which this build has
  bool json = false;
  bool colour = false;
  /// Limit for a probe, which has a smaller time budget of its own. Without an answer the machine
  /// counts as unfit.
  std::chrono::milliseconds patience{180'000};
};

/// Runs the probe and prints its report. Returns 0 fit, 1 reduced, 2 unfit.
int run_check(const check_command&, const probe_factory&, std::ostream& out, std::ostream& err);

/// `environment` as in config_sources. The exit code goes to `exit_code`, which outlives the
/// parsing.
void add_config_command(CLI::App&, std::vector<std::string> environment, int& exit_code);
void add_check_command(CLI::App&, probe_factory, std::string auto_engine, int& exit_code);

/// environ as a list of "NAME=value".
std::vector<std::string> environment_entries(const char* const* environment);

} // namespace tayfa
