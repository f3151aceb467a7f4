// What `tayfa serve` is about to do, decided before anything is started: pure, so that every
// refusal is tested.
#pragma once

#include "runtime/config/config.hpp"
#include "runtime/core/job_table.hpp"
#include "runtime/telemetry/log.hpp"

#include <string>

namespace tayfa {

struct serve_plan {
  config knobs;
  job_limits limits;
  log_options log;
  std::string engine;  ///< "scripted" or "torch"
  std::string program; ///< the engine program
};

/// What the process knows beside its configuration.
struct serve_surroundings {
  std::string program_folder; ///< where this program is
  bool on_runpod = false;     ///< RUNPOD_ENDPOINT_ID is set
};

/// errc::bad_config naming the field when the parts do not fit together.
result<serve_plan> plan_serve(const config&, const serve_surroundings&);

} // namespace tayfa
