// `tayfa serve`: the composition root. Builds a `world` with the real clock, sockets, processes and
// files, starts the supervisor in it, and tears everything down in dependency order.
#pragma once

#include "cluster/program/serve_plan.hpp"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// Runs a pod until it is STOPPED; returns the process's exit code (docs/operations.md).
int run_serve(const serve_plan&);

void add_serve_command(CLI::App&, std::vector<std::string> environment, int& exit_code);

/// The folder that contains this program.
std::string program_folder();

} // namespace tayfa
