// Chooses the RunPod mode of the program and the settings that its environment implies, from the
// SDK's flags and the platform's variables. Pure.
//
// The precedence is the SDK's: --rp_serve_api, RUNPOD_REALTIME_PORT, --test_input, platform worker
// (RUNPOD_WEBHOOK_GET_JOB is set), and last the command's own default.
#pragma once

#include "runtime/config/config.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// The flags of RunPod's SDK (serverless/__init__.py), as given.
struct sdk_flags {
  bool serve_api = false;                     ///< --rp_serve_api
  std::optional<std::string> api_port;        ///< --rp_api_port
  std::optional<std::string> api_host;        ///< --rp_api_host
  std::optional<std::string> api_concurrency; ///< --rp_api_concurrency
  std::optional<std::string> log_level;       ///< --rp_log_level
  bool debugger = false;                      ///< --rp_debugger
  std::optional<std::string> test_input;      ///< --test_input
};

enum class serve_mode : std::uint8_t {
  pod,        ///< the HTTP API, by default (tayfa serve)
  api,        ///< the HTTP API, requested by the SDK's flags or RUNPOD_REALTIME_PORT
  test_input, ///< one job from the command line, then exit
  test_file,  ///< one job from ./test_input.json, then exit (tayfa worker)
  worker      ///< a worker of RunPod's platform
};

struct mode_choice {
  serve_mode mode = serve_mode::pod;
  std::vector<foreign_value> firm;    ///< with the precedence of flags
  std::vector<foreign_value> assumed; ///< defaults, unless set elsewhere
  std::vector<std::string> remarks;   ///< for the log
};

/// The value of a variable; empty when it is unset or has no value.
std::optional<std::string_view> variable(std::span<const std::string> environment,
                                         std::string_view name);

/// errc::bad_usage names the flag, errc::bad_config the variable. `as_worker`: the command behaves
/// like runpod.serverless.start() (tayfa worker).
result<mode_choice> choose_mode(const sdk_flags&, bool as_worker,
                                std::span<const std::string> environment);

/// Supports a load-balancing endpoint (PORT, PORT_HEALTH, HEALTH_CHECK_PATH) when no listen address
/// is configured: adds `assumed` values and remarks. `first` is the configuration without them. On
/// a serverless endpoint the platform controls access to the port, so a public address is implied;
/// elsewhere PORT is used only where public access is already allowed, or where a key is made for
/// it (http.first_key).
result<void> assume_load_balancer(std::span<const std::string> environment,
                                  const loaded_config& first, mode_choice&);

} // namespace tayfa
