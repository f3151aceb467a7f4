#include "runtime/cli/commands.hpp"

#include "runtime/cli/command_line.hpp"

namespace tayfa {

void add_client_commands(CLI::App& app, int& exit_code) {
  add_submit_command(app, exit_code);
  add_job_commands(app, exit_code);
  add_list_commands(app, exit_code);
  add_slot_commands(app, exit_code);
  add_event_command(app, exit_code);
  add_top_command(app, exit_code);
}

} // namespace tayfa
