// `tayfa sim`: runs the whole pod in virtual time, every scenario with many seeds.
#pragma once

#include <CLI/App.hpp>

namespace tayfa {

/// Registers `sim`; the command's exit code goes to `exit_code` (0 all invariants held, 1 one was
/// violated, 64 bad usage).
void add_sim_command(CLI::App& app, int& exit_code);

} // namespace tayfa
