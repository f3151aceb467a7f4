#include "runtime/cli/machine/commands.hpp"

#include "runtime/cli/machine/report.hpp"
#include "runtime/config/flags.hpp"
#include "runtime/config/render.hpp"
#include "runtime/machine/fitness.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cstdlib>
#include <future>
#include <iostream>
#include <mutex>
#include <ostream>
#include <unistd.h>
#include <utility>

namespace tayfa {

namespace {

/// A probe's answer. Shared with the probe's callback, which may run twice, or after the wait has
/// ended.
class answer {
 public:
  void give(fitness_report report) {
    std::call_once(once_, [this, &report] { promise_.set_value(std::move(report)); });
  }
  fitness_report wait(std::chrono::milliseconds patience) {
    auto future = promise_.get_future();
    if (future.wait_for(patience) == std::future_status::ready) {
      return future.get();
    }
    fitness_report late;
    add_row(late, {"probe", fitness::unfit,
                   "no answer within " + std::to_string(patience.count()) + " ms",
                   "run the engine program with --check to see where it hangs",
                   static_cast<std::uint32_t>(patience.count())});
    return late;
  }

 private:
  std::once_flag once_;
  std::promise<fitness_report> promise_;
};

/// A command whose output is lost (a full disk) has failed.
int finish(int code, std::ostream& out, std::ostream& err) {
  out.flush();
  if (!out) {
    err << "the output could not be written\n";
    return machine_exit::internal;
  }
  return code;
}

bool terminal_takes_colour() {
  const char* const refused = std::getenv("NO_COLOR"); // no-color.org
  return ::isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0');
}

} // namespace

int run_config(const config_command& command, std::ostream& out, std::ostream& err) {
  if (command.output == config_output::markdown) {
    out << render_markdown();
    return finish(0, out, err);
  }
  const auto loaded = load_config(command.sources);
  if (!loaded) {
    err << describe(loaded.error().code) << ":\n" << loaded.error().text << '\n';
    return machine_exit::bad_config;
  }
  switch (command.output) {
  case config_output::table: out << render_config(*loaded, false); break;
  case config_output::json: out << render_config(*loaded, true); break;
  case config_output::toml: out << render_toml(loaded->values); break;
  case config_output::markdown: break;
  }
  return finish(0, out, err);
}

int run_check(const check_command& command, const probe_factory& make_probe, std::ostream& out,
              std::ostream& err) {
  const auto probe = make_probe();
  if (!probe) {
    err << probe.error().str() << '\n';
    return machine_exit::internal;
  }
  const auto got = std::make_shared<answer>();
  (*probe)->run(command.engine == auto_engine_choice ? command.auto_engine : command.engine,
                [got](fitness_report report) { got->give(std::move(report)); });
  const fitness_report report = got->wait(command.patience);
  if (command.json) {
    out << fitness_json(report) << '\n';
  } else {
    out << render_report(report, command.colour);
  }
  return finish(static_cast<int>(report.verdict), out, err);
}

void add_config_command(CLI::App& app, std::vector<std::string> environment, int& exit_code) {
  struct state {
    config_command command;
    bool json = false;
    bool toml = false;
    bool markdown = false;
  };
  const auto s = std::make_shared<state>();
  s->command.sources.environment = std::move(environment);
  CLI::App* const cmd = app.add_subcommand(
      "config", "print the configuration in force and where each value came from");
  CLI::Option* const json = cmd->add_flag("--json", s->json, "as JSON");
  CLI::Option* const toml = cmd->add_flag("--toml", s->toml, "as a commented file for --config");
  CLI::Option* const markdown =
      cmd->add_flag("--markdown", s->markdown, "the page docs/configuration.md");
  json->excludes(toml)->excludes(markdown);
  toml->excludes(markdown);
  add_config_flags(*cmd, s->command.sources.flags, s->command.sources.file);
  cmd->callback([s, &exit_code] {
    s->command.output = s->json       ? config_output::json
                        : s->toml     ? config_output::toml
                        : s->markdown ? config_output::markdown
                                      : config_output::table;
    exit_code = run_config(s->command, std::cout, std::cerr);
  });
}

void add_check_command(CLI::App& app, probe_factory make_probe, std::string auto_engine,
                       int& exit_code) {
  const auto command = std::make_shared<check_command>();
  command->auto_engine = std::move(auto_engine);
  CLI::App* const cmd = app.add_subcommand(
      "check",
      "test whether this machine is fit for the engine: exit code 0 fit, 1 reduced, 2 unfit");
  cmd->add_flag("--json", command->json, "as JSON");
  cmd->add_option("--engine", command->engine, "the engine kind to check for")
      ->check(CLI::IsMember(std::vector<std::string>{engine_choices.begin(), engine_choices.end()}))
      ->capture_default_str();
  cmd->callback([command, make_probe = std::move(make_probe), &exit_code] {
    command->colour = !command->json && terminal_takes_colour();
    exit_code = run_check(*command, make_probe, std::cout, std::cerr);
  });
}

std::vector<std::string> environment_entries(const char* const* environment) {
  std::vector<std::string> out;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    out.emplace_back(*environment);
  }
  return out;
}

} // namespace tayfa
