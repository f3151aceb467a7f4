// The tayfa program: one command line for the runtime and for its clients. Only this room may
// include all others.
#include "cluster/program/fleet/link_command.hpp"
#include "cluster/program/serve.hpp"
#include "cluster/program/sim_command.hpp"
#include "cluster/program/store_command.hpp"
#include "messages/engine_kind.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/cli/keys/commands.hpp"
#include "runtime/cli/machine/commands.hpp"
#include "runtime/cli/pods/commands.hpp"
#include "runtime/cli/workers/commands.hpp"
#include "runtime/host/last_words.hpp"
#include "runtime/host/process_probe.hpp"
#include "runtime/host/process_start.hpp"

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <new>
#include <system_error>

namespace {

constexpr int bad_usage = 64;
constexpr int internal_failure = 70;
constexpr int try_later = 75;

/// The real probe of this machine. It logs at warn: the user of `check` sees problems only.
tayfa::result<std::unique_ptr<tayfa::machine_probe>> make_probe() {
  static const auto log = tayfa::make_log(tayfa::log_options{tayfa::log_level::warn, {}, {}});
  if (!log) {
    return tayfa::fail(log.error());
  }
  return std::make_unique<tayfa::process_probe>(
      tayfa::probe_options{tayfa::program_folder() + "/tayfa-engine"}, **log);
}

/// The kind that runs model files, where this build has it.
std::string checked_by_default() {
  const auto& with_models = tayfa::default_engine(true);
  const auto library = tayfa::program_folder() + "/" + std::string{with_models.plugin.library};
  const bool there = with_models.built_in() || std::filesystem::exists(library);
  return std::string{(there ? with_models : tayfa::default_engine(false)).name};
}

int run(int argc, char** argv) {
  CLI::App app{"Tayfa: an actor-model runtime for GPU jobs", "tayfa"};
  app.require_subcommand(0, 1); // CLI11 itself reports an unknown subcommand
  app.set_version_flag("--version", "tayfa " TAYFA_VERSION);
  const auto environment = tayfa::environment_entries(environ);
  int exit_code = 0;
  tayfa::add_serve_command(app, environment, exit_code);
  tayfa::add_client_commands(app, exit_code);
  tayfa::add_workers_commands(app, exit_code);
  tayfa::add_pods_commands(app, exit_code);
  tayfa::add_check_command(app, make_probe, checked_by_default(), exit_code);
  tayfa::add_key_command(app, exit_code);
  tayfa::add_link_command(app, exit_code);
  tayfa::add_config_command(app, environment, exit_code);
  tayfa::add_store_command(app, exit_code);
  tayfa::add_sim_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : bad_usage;
  }
  if (app.get_subcommands().empty()) {
    std::fputs(app.help().c_str(), stderr);
    return bad_usage;
  }
  return exit_code;
}

} // namespace

int main(int argc, char** argv) {
  tayfa::open_standard_descriptors();
  tayfa::end_with_last_words();
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("tayfa: there is not enough memory (see ulimit -v and the container's limit)\n",
               stderr);
    return try_later;
  } catch (const std::system_error& e) {
    std::fprintf(stderr, "tayfa: %s\n", e.what());
    const bool passing = e.code() == std::errc::resource_unavailable_try_again ||
                         e.code() == std::errc::too_many_files_open ||
                         e.code() == std::errc::too_many_files_open_in_system ||
                         e.code() == std::errc::not_enough_memory;
    return passing ? try_later : internal_failure;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tayfa: %s\n", e.what());
    return internal_failure;
  }
}
