// The tayfa program: one command line for the runtime and for those who talk to it. The composition root and the one place
// that sees every room.
#include "cluster/program/sim_command.hpp"

#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"Tayfa: an actor-model runtime for GPU jobs", "tayfa"};
  app.require_subcommand(1);
  int exit_code = 0;
  tayfa::add_sim_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 64;
  }
  return exit_code;
}
