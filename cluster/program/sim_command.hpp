// `tayfa sim`: the whole pod in virtual time, many seeds, every scenario.
#pragma once

#include <CLI/App.hpp>

namespace tayfa {

/// Registers `sim`; the command's exit code goes to `exit_code` (0 all held, 1 a promise was
/// broken, 64 bad usage).
void add_sim_command(CLI::App& app, int& exit_code);

} // namespace tayfa
