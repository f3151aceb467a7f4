// Which of RunPod's routes a request line names. Pure; knows nothing of bodies.
#pragma once

#include "runtime/api/call.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace tayfa::api {

enum class route_kind : std::uint8_t {
  run,
  runsync,
  status,
  stream,
  cancel,
  health,
  ping,
  metrics
};

struct route {
  route_kind kind = route_kind::ping;
  std::string endpoint; ///< of the prefix; without one the first endpoint
  job_id id;            ///< status, stream, cancel
  milliseconds wait{0}; ///< runsync
};

/// The route, or its refusal: 400 for a target that is not well formed, 404, 405 + Allow.
tl::expected<route, response> find_route(std::string_view method, std::string_view target,
                                         const limits&);

} // namespace tayfa::api
