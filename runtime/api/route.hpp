// Which route a request line names: RunPod's, and Tayfa's own. Pure; knows nothing of bodies.
#pragma once

#include "runtime/api/call.hpp"

#include <boost/json/fwd.hpp>
#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace tayfa::api {

/// Routes that are parsed each in its own way; the others are passed on by their rows (`make`).
enum class route_kind : std::uint8_t {
  passed,
  run,
  runsync,
  status,
  status_sync,
  stream,
  purge,
  jobs,
  dead,
  requests,
  events,
  health,
  ping,
  pods, ///< and /link: by their rows
  take,
  take_batch,
  poll_stops,
  worker_ping,
  worker_done,
  worker_chunk,
  openai
};

/// Rule for a route's body.
enum class body_rule : std::uint8_t {
  none,
  ignored, ///< some clients send `{}` where nothing is wanted; it is taken and not read
  run,
  runsync,
  result, ///< of a worker, whatever content type it says
  chunk,
  openai
};

class schema_collection;
/// Makes the OpenAPI schema of an answer (record_schema.hpp).
using schema_source = boost::json::value (*)(schema_collection&);

/// The text of /openapi.json about a route. Methods, scope, path, query and body follow from its
/// row.
struct route_notes {
  std::string_view id; ///< operationId; with two methods "getId" and "postId"
  std::string_view summary;
  std::string_view answer; ///< of 200
  schema_source schema = nullptr;
  /// Parameters that it reads, where `query` takes any, and headers (parameters.hpp).
  std::string_view parameters{};
  std::string_view nothing{}; ///< of 204, where that is an answer
  std::string_view content = "application/json";
};

struct route;

/// A row of the table of routes (route_table.cpp).
struct route_spec {
  /// "status/{id}"; each {…} takes one segment, {openai} all that are left.
  std::string_view path;
  route_kind kind;
  scope needs;
  bool prefixed;            ///< also lives under /v2/{endpoint}
  std::string_view methods; ///< "GET, POST"; HEAD and OPTIONS go with them (method.hpp)
  body_rule body;           ///< of a POST
  std::string_view query;   ///< the names it takes, each once; "*": any, as RunPod's servers do
  route_notes notes{};
  /// The call, where the path and the query say all of it; else parse() makes it.
  call (*make)(route&, job_access&&) = nullptr;

  constexpr route_spec says(const route_notes& words) const {
    route_spec out = *this;
    out.notes = words;
    return out;
  }
  constexpr route_spec by(call (*maker)(route&, job_access&&)) const {
    route_spec out = *this;
    out.make = maker;
    return out;
  }
};
std::span<const route_spec> routes();

/// The largest body that a route with this rule takes.
std::size_t body_bytes(body_rule, const limits&);

/// Query parameters of workers' routes; each route reads its own.
struct worker_words {
  std::string device;            ///< ?gpu=
  std::uint32_t wanted = 1;      ///< ?batch_size=
  bool in_progress = false;      ///< ?job_in_progress=1
  std::vector<std::string> jobs; ///< ?job_id=a,b
  std::string version;           ///< ?runpod_version=
  std::string unfit;             ///< ?status=unhealthy&check=&reason=
  bool is_stream = false;        ///< ?isStream=true
};

struct route {
  const route_spec* shape = nullptr; ///< its row
  route_kind kind = route_kind::ping;
  body_rule body = body_rule::none;
  std::string endpoint;  ///< of the prefix; without one the first endpoint
  bool prefixed = false; ///< the prefix names the endpoint
  job_id id;             ///< {id}, and ?job= of events
  slot_id slot;
  std::uint32_t count = 0;
  milliseconds wait{0};               ///< runsync, status-sync
  std::optional<milliseconds> hold;   ///< stream
  job_filter filter;                  ///< jobs, dead, requests
  std::optional<std::uint64_t> after; ///< events
  std::optional<milliseconds> keep;   ///< status, status-sync
  std::string worker;                 ///< {worker}
  std::string job;                    ///< {job}
  worker_words words;                 ///< of a worker's route
  std::string openai_route;           ///< {openai}: "/v1/chat/completions"
  std::string pod;                    ///< {pod}
  pod_drain drain = pod_drain::graceful;
  std::string name;                   ///< /link/{pod}/trust
  std::vector<std::string> addresses; ///< /link/tokens
  std::uint32_t minutes = 60;         ///< likewise
  std::string caller;                 ///< name of the caller's key
};

/// Which jobs this caller sees by this route: those of the key's tenant and endpoints, and under
/// /v2/{endpoint} only those of that endpoint, for an operator's key as well. What speaks of a
/// whole endpoint (run, requests, purge-queue) speaks of the first one where there is no prefix.
/// errc::forbidden where the key does not reach the endpoint.
result<job_access> access_of(const principal&, const route&);

/// The route, or its refusal: 400 for a target that is not well formed, 404, 405 + Allow, 501 for a
/// method that HTTP does not have. HEAD finds what GET does and waits for nothing; OPTIONS finds
/// every route, and `*`, and its parameters and query are not read.
tl::expected<route, response> find_route(std::string_view method, std::string_view target,
                                         const limits&);

} // namespace tayfa::api
