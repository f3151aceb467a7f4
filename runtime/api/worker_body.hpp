// Bodies sent by workers: job-done and job-stream, in the format of RunPod's SDK. Pure.
//
// A worker does not send a body a second time when it is refused, so nothing here is: a body that
// cannot be read is the end of its job, FAILED with a text that says why.
#pragma once

#include "runtime/api/call.hpp"

#include <cstddef>
#include <string>

namespace tayfa::api {

/// Limit of an error's text; the rest is cut off.
inline constexpr std::size_t worker_error_bytes = std::size_t{64} << 10;

/// Fills in what the body says: kind, output or error, stop_pod.
worker_result read_result(std::string body, worker_result at);
/// A worker_chunk, or the failed worker_result.
call read_chunk(std::string body, worker_place from, std::string job);

} // namespace tayfa::api
