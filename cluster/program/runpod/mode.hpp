// In which of RunPod's modes the program runs, and which settings its surroundings imply: from the
// SDK's flags and the platform's variables. Pure.
//
// The order is the SDK's: --rp_serve_api, RUNPOD_REALTIME_PORT, --test_input, worker of the
// platform (RUNPOD_WEBHOOK_GET_JOB is set), and last what the command does without any of them.
#pragma once

#include "runtime/config/config.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// The flags of RunPod's SDK (serverless/__init__.py), as they were written.
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
  pod,        ///< the HTTP API, of its own accord (tayfa serve)
  api,        ///< the HTTP API, as the SDK's flags or RUNPOD_REALTIME_PORT want it
  test_input, ///< one job from the command line, then the end
  test_file,  ///< one job from ./test_input.json, then the end (tayfa worker)
  worker      ///< a worker of RunPod's platform
};

struct mode_choice {
  serve_mode mode = serve_mode::pod;
  std::vector<foreign_value> firm;    ///< as strong as flags
  std::vector<foreign_value> assumed; ///< where nobody says otherwise
  std::vector<std::string> remarks;   ///< for the log
};

/// The value of a variable that is set and not empty.
std::optional<std::string_view> variable(std::span<const std::string> environment,
                                         std::string_view name);

/// errc::bad_usage naming the flag, errc::bad_config naming the variable. `as_worker`: the command
/// does what runpod.serverless.start() does (tayfa worker).
result<mode_choice> choose_mode(const sdk_flags&, bool as_worker,
                                std::span<const std::string> environment);

/// A load-balancing endpoint's form (PORT, PORT_HEALTH, HEALTH_CHECK_PATH), for a pod that was told
/// nowhere where to listen: more `assumed` values and remarks. `first` is the configuration without
/// them. On a serverless endpoint the platform decides who reaches the port, so listening where
/// others reach it is implied; elsewhere PORT is used only where that is allowed already, or where
/// a key is made for it (http.first_key).
result<void> assume_load_balancer(std::span<const std::string> environment,
                                  const loaded_config& first, mode_choice&);

} // namespace tayfa
