#include "cluster/program/runpod/mode.hpp"

#include "runtime/base/text.hpp"
#include "runtime/base/variables.hpp"
#include "runtime/base/words.hpp"
#include "runtime/config/foreign_variables.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace tayfa {

namespace {

/// 0 is "take a free one" for a flag and "not here" for RUNPOD_REALTIME_PORT.
std::optional<std::uint16_t> port_from(std::string_view text) {
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  return whole ? std::optional{port} : std::nullopt;
}

tl::unexpected<error> not_a_port(errc code, std::string_view name, std::string_view text,
                                 std::string_view lowest) {
  return fail(code, std::string{name} + ": " + text::quoted(text, 64) + " is not a port, " +
                        std::string{lowest} + " to 65535");
}

/// Maps the SDK's level names, in any case, to those of log.level. NOTSET silences the SDK; here
/// errors are still logged.
std::optional<std::string_view> level_from(std::string_view text) {
  struct level_name {
    std::string_view theirs;
    std::string_view ours;
  };
  constexpr std::array<level_name, 6> names{{{"NOTSET", "error"},
                                             {"TRACE", "debug"},
                                             {"DEBUG", "debug"},
                                             {"INFO", "info"},
                                             {"WARN", "warn"},
                                             {"ERROR", "error"}}};
  const auto found = std::find_if(names.begin(), names.end(), [text](const level_name& n) {
    return text::iequals(n.theirs, text);
  });
  return found == names.end() ? std::nullopt : std::optional{found->ours};
}

tl::unexpected<error> not_a_level(errc code, std::string_view name, std::string_view text) {
  return fail(code, std::string{name} + ": " + text::quoted(text, 64) +
                        " is not one of ERROR, WARN, INFO, DEBUG");
}

result<void> take_log_level(const sdk_flags& flags, std::span<const std::string> environment,
                            mode_choice& choice) {
  if (flags.log_level) {
    const auto level = level_from(*flags.log_level);
    if (!level) {
      return not_a_level(errc::bad_usage, "--rp_log_level", *flags.log_level);
    }
    choice.firm.push_back({"log.level", std::string{*level}, "flag --rp_log_level"});
  }
  for (const std::string_view name : {"RUNPOD_LOG_LEVEL", "RUNPOD_DEBUG_LEVEL"}) {
    if (const auto text = variable(environment, name)) {
      const auto level = level_from(*text);
      if (!level) {
        return not_a_level(errc::bad_config, name, *text);
      }
      choice.assumed.push_back({"log.level", std::string{*level}, "env " + std::string{name}});
      break;
    }
  }
  return {};
}

bool is_v6(std::string_view host) {
  return host.find(':') != std::string_view::npos && !host.starts_with('[');
}

result<void> take_api_flags(const sdk_flags& flags, mode_choice& choice) {
  const std::string port = flags.api_port.value_or("8000");
  if (!port_from(port)) {
    return not_a_port(errc::bad_usage, "--rp_api_port", port, "0");
  }
  const std::string host = flags.api_host.value_or("localhost");
  const std::string listen = (is_v6(host) ? "[" + host + "]" : host) + ":" + port;
  if (flags.api_host || flags.api_port) {
    choice.firm.push_back(
        {"http.listen", listen, flags.api_host ? "flag --rp_api_host" : "flag --rp_api_port"});
  } else {
    choice.assumed.push_back({"http.listen", listen, "flag --rp_serve_api"});
  }
  if (flags.api_concurrency) {
    choice.assumed.push_back({"engine.slots", *flags.api_concurrency, "flag --rp_api_concurrency"});
  }
  return {};
}

/// On an endpoint the platform controls access to the port, so its variables may open it.
bool platform_decides(std::span<const std::string> environment) {
  return variable(environment, "RUNPOD_ENDPOINT_ID").has_value();
}

void assume_public(std::span<const std::string> environment, const std::string& port,
                   const std::string& from, mode_choice& choice) {
  choice.assumed.push_back({"http.listen", "0.0.0.0:" + port, from});
  if (platform_decides(environment)) {
    choice.assumed.push_back({"http.allow_public", "true", from});
    choice.remarks.push_back("listens on every address at port " + port + " (" + from +
                             "): RunPod decides who reaches it");
  }
}

/// The port of RUNPOD_REALTIME_PORT; empty when it is unset or 0.
result<std::optional<std::string>> realtime_port(std::span<const std::string> environment) {
  const auto text = variable(environment, "RUNPOD_REALTIME_PORT");
  if (!text) {
    return std::nullopt;
  }
  const auto port = port_from(*text);
  if (!port) {
    return not_a_port(errc::bad_config, "RUNPOD_REALTIME_PORT", *text, "0");
  }
  return *port == 0 ? std::nullopt : std::optional{std::to_string(*port)};
}

void take_realtime(std::span<const std::string> environment, const std::string& port,
                   mode_choice& choice) {
  assume_public(environment, port, "env RUNPOD_REALTIME_PORT", choice);
  if (const auto count = variable(environment, "RUNPOD_REALTIME_CONCURRENCY")) {
    choice.assumed.push_back(
        {"engine.slots", std::string{*count}, "env RUNPOD_REALTIME_CONCURRENCY"});
  }
}

serve_mode mode_without_api(const sdk_flags& flags, bool as_worker,
                            std::span<const std::string> environment) {
  if (flags.test_input) {
    return serve_mode::test_input;
  }
  if (variable(environment, "RUNPOD_WEBHOOK_GET_JOB")) {
    return serve_mode::worker;
  }
  return as_worker ? serve_mode::test_file : serve_mode::pod;
}

void remark_on_idle_flags(const sdk_flags& flags, mode_choice& choice) {
  if (flags.debugger) {
    choice.remarks.emplace_back("--rp_debugger does nothing here: what it measures in Python is in "
                                "/metrics and in /jobs/{id}");
  }
  if (!flags.serve_api && (flags.api_host || flags.api_port || flags.api_concurrency)) {
    choice.remarks.emplace_back("--rp_api_host, --rp_api_port and --rp_api_concurrency have no "
                                "effect without --rp_serve_api");
  }
  if (flags.test_input && choice.mode != serve_mode::test_input) {
    choice.remarks.emplace_back("--test_input has no effect where the API is served");
  }
}

} // namespace

std::optional<std::string_view> variable(std::span<const std::string> environment,
                                         std::string_view name) {
  const auto value = variable_or_empty(environment, name);
  // RUNPOD_REALTIME_PORT=tcp://10.0.0.1:80 is Kubernetes' word about a Service of that name.
  return value.empty() || is_service_address(value) ? std::nullopt : std::optional{value};
}

result<mode_choice> choose_mode(const sdk_flags& flags, bool as_worker,
                                std::span<const std::string> environment) {
  mode_choice choice;
  if (auto taken = take_log_level(flags, environment, choice); !taken) {
    return fail(taken.error());
  }
  const auto realtime = realtime_port(environment);
  if (flags.serve_api) {
    choice.mode = serve_mode::api;
    if (auto taken = take_api_flags(flags, choice); !taken) {
      return fail(taken.error());
    }
  } else if (!realtime) {
    return fail(realtime.error());
  } else if (*realtime) {
    choice.mode = serve_mode::api;
    take_realtime(environment, **realtime, choice);
  } else {
    choice.mode = mode_without_api(flags, as_worker, environment);
  }
  remark_on_idle_flags(flags, choice);
  return choice;
}

result<void> assume_load_balancer(std::span<const std::string> environment,
                                  const loaded_config& first, mode_choice& choice) {
  const bool on_runpod = platform_decides(environment) || variable(environment, "RUNPOD_POD_ID");
  const bool free = origin_of(first, "http.listen") == "default";
  if (choice.mode != serve_mode::pod || !free ||
      !(on_runpod || first.values.http_allow_public || first.values.http_first_key)) {
    return {};
  }
  const auto port = variable(environment, "PORT");
  const auto health = variable(environment, "PORT_HEALTH");
  for (const auto& [name, text] : {std::pair{"PORT", port}, std::pair{"PORT_HEALTH", health}}) {
    if (text && port_from(*text).value_or(0) == 0) {
      return not_a_port(errc::bad_config, name, *text, "1");
    }
  }
  if (!port) {
    return {};
  }
  const auto main_port = *port_from(*port);
  assume_public(environment, std::to_string(main_port), "env PORT", choice);
  if (const auto health_port = health ? *port_from(*health) : main_port; health_port != main_port) {
    choice.assumed.push_back(
        {"http.health_listen", "0.0.0.0:" + std::to_string(health_port), "env PORT_HEALTH"});
  }
  if (const auto path = variable(environment, "HEALTH_CHECK_PATH")) {
    choice.assumed.push_back({"http.health_path", std::string{*path}, "env HEALTH_CHECK_PATH"});
  }
  return {};
}

} // namespace tayfa
