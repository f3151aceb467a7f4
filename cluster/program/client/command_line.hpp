// What all commands that talk to a pod share: where it is, how they print, how they fail.
#pragma once

#include "cluster/program/client/pod_client.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// TAYFA_API_KEY of the environment; empty where there is none. No flag: a command line can be read
/// by everybody on the machine.
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

/// Says what is wrong on stderr; the exit code. "tayfa: " stands before the text.
int complain(const command_error&);
tl::unexpected<command_error> usage(std::string text);

/// For stdout. The width of its terminal, 0 when it is none.
std::size_t output_width();
void print(std::string_view text);
/// A server's answer, or any other JSON, as one line that no terminal obeys.
void print_json(std::string_view json_text);

command_result<job_id> parsed_id(const std::string& text);
/// All of them, or the first that is none.
command_result<std::vector<job_id>> parsed_ids(const std::vector<std::string>& texts);

/// "500ms", "2s", "1.5" (seconds), "5m", "2h", "1d"; what is no time, or longer than a year, is
/// nothing.
std::optional<std::chrono::milliseconds> parsed_time(std::string_view text);

// ---- the commands, a few in each file ----------------------------------------------------------

void add_submit_command(CLI::App&, int& exit_code);
void add_job_commands(CLI::App&, int& exit_code);  ///< status, cancel, retry, purge
void add_list_commands(CLI::App&, int& exit_code); ///< jobs, dead
void add_slot_commands(CLI::App&, int& exit_code); ///< slots, drain, undrain, resize
void add_event_command(CLI::App&, int& exit_code); ///< events
void add_top_command(CLI::App&, int& exit_code);   ///< top

} // namespace tayfa
