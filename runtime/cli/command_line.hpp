// Shared by all commands that talk to a pod: its address, printing, and errors.
#pragma once

#include "runtime/cli/pod_client.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// TAYFA_API_KEY of the environment, or empty. There is no flag: every user of the machine can read
/// a command line.
secret_text key_of_environment();

struct target_options {
  std::string url = "http://127.0.0.1:8000";
  std::string endpoint = "tayfa";
  bool json = false;

  pod_client client() const {
    return {url, endpoint, std::chrono::minutes{5}, key_of_environment()};
  }
};
/// --url, --endpoint, --json.
void add_target(CLI::App&, target_options&);

/// Prints the error to stderr, after "tayfa: "; returns the exit code.
int complain(const command_error&);
tl::unexpected<command_error> usage(std::string text);

/// The width of stdout's terminal; 0 when it is no terminal.
std::size_t output_width();
void print(std::string_view text);
/// Prints a server's answer, or other JSON, as one line free of terminal control characters.
void print_json(std::string_view json_text);

command_result<job_id> parsed_id(const std::string& text);
/// All ids, or the error of the first malformed one.
command_result<std::vector<job_id>> parsed_ids(const std::vector<std::string>& texts);

/// "500ms", "2s", "1.5" (seconds), "5m", "2h", "1d"; empty for a malformed duration or one longer
/// than a year.
std::optional<std::chrono::milliseconds> parsed_time(std::string_view text);

// ---- the commands, grouped by file -------------------------------------------------------------

void add_submit_command(CLI::App&, int& exit_code);
void add_job_commands(CLI::App&, int& exit_code);  ///< status, cancel, retry, purge
void add_list_commands(CLI::App&, int& exit_code); ///< jobs, dead
void add_slot_commands(CLI::App&, int& exit_code); ///< slots, drain, undrain, resize
void add_event_command(CLI::App&, int& exit_code); ///< events
void add_top_command(CLI::App&, int& exit_code);   ///< top

} // namespace tayfa
