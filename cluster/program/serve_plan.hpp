// Decides what `tayfa serve` and `tayfa worker` will do, before anything is started. Pure except
// for reading the files it is given, so that every refusal can be tested.
#pragma once

#include "cluster/program/runpod/local_test.hpp"
#include "cluster/program/runpod/mode.hpp"
#include "messages/slot_engines.hpp"
#include "runtime/base/secret.hpp"
#include "runtime/config/config.hpp"
#include "runtime/core/job_limits.hpp"
#include "runtime/machine/system_fitness.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/telemetry/log.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

struct serve_plan {
  config knobs;
  job_limits limits;
  log_options log;
  slot_engines engines;
  std::string program; ///< the engine program
  serve_mode mode = serve_mode::pod;
  std::string start_line;                 ///< for stdout, before anything else; may be empty
  std::vector<std::string> remarks;       ///< for the log
  std::optional<runpod::settings> runpod; ///< in mode worker
  std::optional<system_limits> fitness;   ///< in mode worker: the SDK's checks
  std::optional<test_job> test;           ///< in modes test_input and test_file
  std::vector<sdk_line> test_lines;       ///< for stdout, before the test
  bool on_endpoint = false;               ///< RUNPOD_ENDPOINT_ID is set
  std::string release;                    ///< of this program
  bool as_pod = false;                    ///< it runs the jobs of a head
  secret_text join;                       ///< join string of such a pod; needed until it has joined
  std::string pod_name;                   ///< likewise: the name that it joins under
};

/// The request, as given on the command line, in the environment and in files.
struct serve_request {
  bool as_worker = false; ///< tayfa worker
  bool as_pod = false;    ///< tayfa pod
  std::string join{};     ///< --join; empty = TAYFA_JOIN
  std::string pod_name{}; ///< --name; empty = that of the machine
  sdk_flags sdk;
  config_sources sources;
};

/// Facts about the process, besides the request.
struct serve_surroundings {
  std::string program_folder; ///< folder of this program
  std::string made_up_id;     ///< ID of a RunPod worker whose pod has no name
  /// ./test_input.json; empty when it does not exist. Read only when needed.
  std::function<result<std::optional<std::string>>()> test_file;
  std::string release{};   ///< of this program
  std::string host_name{}; ///< of this machine
};

struct serve_refusal {
  error why;
  std::optional<int> exit_code; ///< when it differs from the error's own
  std::string start_line;       ///< for stdout, before the rest
  std::vector<sdk_line> lines;  ///< for stdout, instead of the error's text
  bool on_endpoint = false;
};

/// errc::bad_config and errc::bad_usage name the setting, flag or variable.
tl::expected<serve_plan, serve_refusal> plan_serve(const serve_request&, const serve_surroundings&);

/// The process's exit code after the pod ended with `pod_code` and the local test, if any, with
/// `test_code`: RunPod expects 1 from an unfit machine.
int exit_code_of(const serve_plan&, int pod_code, std::optional<int> test_code);

} // namespace tayfa
