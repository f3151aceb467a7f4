// Which route a request line names: RunPod's, and Tayfa's own. Pure; knows nothing of bodies.
#pragma once

#include "runtime/api/call.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace tayfa::api {

enum class route_kind : std::uint8_t {
  run,
  runsync,
  status,
  stream,
  cancel,
  retry,
  drop,
  purge,
  jobs,
  inspect,
  dead,
  events,
  slots,
  drain,
  undrain,
  resize,
  health,
  ping,
  metrics
};

/// What a route's body may be.
enum class body_rule : std::uint8_t {
  none,
  ignored, ///< some clients send `{}` where nothing is wanted; it is taken and not read
  run,
  runsync
};

/// One row of the table of routes: everything there is to know before the body.
struct route_shape {
  std::string_view path; ///< "status/{id}"; {id}, {slot} and {count} take one segment
  route_kind kind;
  bool prefixed;            ///< also lives under /v2/{endpoint}
  std::string_view methods; ///< as the header Allow says them
  body_rule body;           ///< of a POST
  std::string_view query;   ///< the names it takes, each once; "*": any, as RunPod's servers do
};
std::span<const route_shape> routes();

struct route {
  route_kind kind = route_kind::ping;
  body_rule body = body_rule::none;
  std::string endpoint; ///< of the prefix; without one the first endpoint
  job_id id;            ///< {id}, and ?job= of events
  slot_id slot;
  std::uint32_t count = 0;
  milliseconds wait{0};               ///< runsync
  job_filter filter;                  ///< jobs, dead
  std::optional<std::uint64_t> after; ///< events
};

/// The route, or its refusal: 400 for a target that is not well formed, 404, 405 + Allow.
tl::expected<route, response> find_route(std::string_view method, std::string_view target,
                                         const limits&);

} // namespace tayfa::api
