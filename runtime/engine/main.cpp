#include "runtime/engine/check.hpp"
#include "runtime/engine/process.hpp"
#include "runtime/host/process_start.hpp"
#include "runtime/machine/fitness.hpp"
#include "runtime/machine/topology.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  using namespace tayfa;
  open_standard_descriptors();
  CLI::App app{"tayfa-engine: one engine process of a Tayfa pod. The runtime starts it; by hand "
               "only --check is of use."};
  app.set_version_flag("--version", std::string{"tayfa-engine " TAYFA_VERSION});
  engine::process_options options;
  options.worker.incarnation = 1;
  bool check = false;
  auto* check_flag = app.add_flag(
      "--check", check, "test this machine, print a report (JSON), exit 0 fit, 1 reduced, 2 unfit");
  std::string kind{options.engine.name};
  std::vector<std::string> kinds;
  for (const auto& row : engine_kinds) {
    kinds.emplace_back(row.name);
  }
  app.add_option("--engine", kind, "what to run")
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
  app.add_option("--endpoint", options.endpoint, "the runtime's socket, ipc://…")
      ->excludes(check_flag);
  app.add_option("--slot", options.worker.slot.value, "number of the slot")->excludes(check_flag);
  app.add_option("--incarnation", options.worker.incarnation, "which life of the slot this is")
      ->check(CLI::PositiveNumber)
      ->excludes(check_flag);
  app.add_option("--parent", options.parent, "pid of the runtime: die when it dies")
      ->check(CLI::NonNegativeNumber);
  std::string cpus;
  slot_place place;
  app.add_option("--cpus", cpus, "run on these CPUs only: 0-3,8");
  app.add_option("--memory-node", place.node, "prefer this NUMA node's memory")
      ->check(CLI::Range(0, 1'023));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : engine::exit_usage;
  }
  options.engine = *find_engine(kind); // the flag allows no other
  if (!engine::follow_parent(options.parent)) {
    std::fprintf(stderr, "tayfa-engine: the parent is gone\n");
    return engine::exit_broken;
  }
  if (check) {
    const auto report = engine::check_machine(options.engine, engine::program_folder());
    std::printf("%s\n", fitness_json(report).c_str());
    return static_cast<int>(report.verdict);
  }
  if (!options.endpoint.starts_with("ipc://")) {
    std::fprintf(stderr, "tayfa-engine: --endpoint ipc://… is needed\n");
    return engine::exit_usage;
  }
  auto where = parse_cpu_list(cpus);
  if (!where) {
    std::fprintf(stderr, "tayfa-engine: --cpus: %s\n", where.error().text.c_str());
    return engine::exit_usage;
  }
  place.cpus = std::move(*where);
  if (const auto failed = go_to(place); !failed.empty()) {
    std::fprintf(stderr, "tayfa-engine: not pinned: %s\n", failed.c_str());
  }
  return engine::run_process(options);
}
