#include "runtime/cli/command_line.hpp"

#include "runtime/cli/terminal.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <charconv>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

namespace tayfa {

secret_text key_of_environment() {
  const char* const key = std::getenv("TAYFA_API_KEY");
  return secret_text{key == nullptr ? std::string_view{} : std::string_view{key}};
}

void add_target(CLI::App& cmd, target_options& at) {
  cmd.add_option("--url", at.url, "where the pod listens")->capture_default_str();
  cmd.add_option("--endpoint", at.endpoint, "the endpoint's name")
      ->capture_default_str()
      ->check([](const std::string& name) {
        return job_id::parse(name) ? std::string{} : "\"" + name + "\" is no endpoint's name";
      });
  cmd.add_flag("--json", at.json, "print JSON");
}

int complain(const command_error& e) {
  std::cerr << "tayfa: " << e.text << '\n';
  return e.exit_code;
}

tl::unexpected<command_error> usage(std::string text) {
  return tl::unexpected(command_error{exit_usage, std::move(text)});
}

std::size_t output_width() {
  return size_of_terminal(STDOUT_FILENO).width;
}

void print(std::string_view text) {
  std::cout << text << std::flush;
}

void print_json(std::string_view json_text) {
  std::cout << clean_json(json_text) << '\n' << std::flush;
}

command_result<job_id> parsed_id(const std::string& text) {
  auto id = job_id::parse(text);
  return id ? command_result<job_id>{std::move(*id)}
            : usage("\"" + clean_line(text) + "\" is no job id");
}

command_result<std::vector<job_id>> parsed_ids(const std::vector<std::string>& texts) {
  std::vector<job_id> ids;
  for (const auto& text : texts) {
    auto id = parsed_id(text);
    if (!id) {
      return tl::unexpected(std::move(id.error()));
    }
    ids.push_back(std::move(*id));
  }
  return ids;
}

std::optional<std::chrono::milliseconds> parsed_time(std::string_view text) {
  constexpr double longest_ms = 366.0 * 86'400'000.0;
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  const std::string_view unit{rest, static_cast<std::size_t>(last - rest)};
  const double factor = unit == "ms"                  ? 1
                        : unit.empty() || unit == "s" ? 1'000
                        : unit == "m"                 ? 60'000
                        : unit == "h"                 ? 3'600'000
                        : unit == "d"                 ? 86'400'000
                                                      : -1;
  // NaN fails every comparison.
  if (ec != std::errc{} || factor < 0 || !(number >= 0) || !(number * factor <= longest_ms)) {
    return std::nullopt;
  }
  return std::chrono::milliseconds{static_cast<std::int64_t>(number * factor + 0.5)};
}

} // namespace tayfa
