// The closed list of errors that Tayfa reports to anyone: clients, logs, exit codes, metrics.
//
// A code exists only if some caller reacts to it differently. Texts never carry paths of the
// machine, secrets or exception texts to HTTP clients; `error::text` may add detail that the sender
// may see. Numbers are stable: a removed row keeps its number as retired.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tayfa {

// X(code, number, HTTP status, what a person reads first)
#define TAYFA_ERRORS(X)                                                                            \
  /* requests that can never succeed as they are */                                                \
  X(bad_request, 1, 400, "the request is malformed")                                               \
  X(bad_json, 2, 400, "the body is not valid JSON")                                                \
  X(bad_input, 3, 400, "the job's input does not fit the model")                                   \
  X(not_found, 4, 404, "not found")                                                                \
  X(job_not_found, 5, 404, "no job with this id (or its result has expired)")                      \
  X(method_not_allowed, 6, 405, "this route does not support this method")                         \
  X(payload_too_large, 7, 413, "the body is larger than this route accepts")                       \
  X(header_too_large, 8, 431, "the header is larger than 32 KiB or 100 fields")                    \
  X(request_timeout, 9, 408, "the request did not arrive in time")                                 \
  X(unsupported_media, 10, 415, "this content type or encoding is not supported")                  \
  X(model_not_found, 12, 404, "no such model in the catalogue")                                    \
  X(idempotency_mismatch, 13, 422, "this idempotency key belongs to a different request")          \
  X(wrong_state, 14, 409, "the job's state does not allow this")                                   \
  X(webhook_refused, 15, 400, "the pod may not call this address")                                 \
  X(unauthorized, 16, 401, "a valid API key is needed")                                            \
  X(forbidden, 17, 403, "this API key does not permit the request")                                \
  X(misdirected_request, 18, 421, "this server does not accept that host name")                    \
  X(uri_too_long, 19, 414, "the request line is longer than 28 KiB")                               \
  X(not_implemented, 29, 501, "this method or transfer coding is not supported")                   \
  X(version_not_supported, 30, 505, "only HTTP/1.0 and HTTP/1.1 are supported")                    \
  /* requests that may succeed later */                                                            \
  X(queue_full, 20, 429, "the queue is full")                                                      \
  X(too_many_connections, 21, 503, "too many connections")                                         \
  X(not_ready, 22, 503, "the pod is not ready yet")                                                \
  X(stopping, 23, 503, "the pod is stopping and accepts no more jobs")                             \
  X(unavailable, 24, 503, "a part of the pod is restarting; try again")                            \
  X(busy, 28, 503, "too much is being sent or received; try again")                                \
  X(storage_full, 25, 503, "the disk is full; nothing was accepted")                               \
  X(quota_exceeded, 26, 429, "this tenant has reached its limit of jobs")                          \
  X(rate_limited, 27, 429, "too many requests; try again later")                                   \
  /* why an attempt or a job ended */                                                              \
  X(job_failed, 40, 200, "the job reported an error")                                              \
  X(engine_crash, 41, 500, "the engine process died")                                              \
  X(engine_hang, 42, 500, "the engine process stopped answering")                                  \
  X(engine_protocol, 43, 500, "the engine process sent an invalid message")                        \
  X(engine_start, 44, 500, "the engine process could not be started")                              \
  X(gpu_oom, 45, 500, "the device ran out of memory")                                              \
  X(max_attempts, 46, 200, "every allowed attempt was lost")                                       \
  X(execution_timeout, 47, 200, "the job ran longer than its execution timeout")                   \
  X(ttl_expired, 48, 200, "the job's time to live ended")                                          \
  X(cancelled, 49, 200, "the job was cancelled")                                                   \
  X(lease_expired, 51, 200, "the attempt made no progress within its lease")                       \
  X(poison, 52, 200, "the job, running alone, ended its engine too often")                         \
  X(model_unavailable, 55, 503, "the job's model cannot be loaded now")                            \
  /* the pod itself */                                                                             \
  X(bad_config, 60, 500, "the configuration is not valid")                                         \
  X(bad_usage, 61, 500, "the command line is not valid")                                           \
  X(model_invalid, 62, 500, "the model file or its manifest is not valid")                         \
  X(unfit, 63, 500, "this machine is not fit for the engine")                                      \
  X(port_in_use, 64, 500, "the address is in use")                                                 \
  X(store_locked, 65, 500, "another runtime uses this data folder")                                \
  X(state_timeout, 66, 500, "a lifecycle state took longer than its budget")                       \
  X(restart_intensity, 67, 500, "a part of the pod failed too often")                              \
  X(illegal_transition, 68, 500, "no such edge in the lifecycle table")                            \
  X(bad_frame, 69, 500, "a frame between processes could not be decoded")                          \
  X(io_error, 70, 500, "an operation of the system failed")                                        \
  X(internal, 71, 500, "an internal error; this is a bug in Tayfa")                                \
  X(no_torch, 72, 500, "this build has no torch engine")                                           \
  X(store_corrupt, 73, 500, "the store's file is damaged or from another program")                 \
  X(store_failed, 74, 500, "the store could not make a change durable")

enum class errc : std::uint16_t {
#define TAYFA_X(code, number, status, text) code = number,
  TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
};

std::string_view to_string(errc);             ///< "queue_full"
std::string_view describe(errc);              ///< the sentence of the row
unsigned http_status(errc);                   ///< the status of the row
std::optional<errc> errc_from(std::uint16_t); ///< for codes read from a wire

/// Why something failed: a code of the closed list, and detail for the one who asked.
struct error {
  errc code = errc::internal;
  std::string text; ///< detail; empty means describe(code) says it all

  /// "queue_full: the queue is full: 1000 jobs wait"
  std::string str() const;
  bool operator==(const error&) const = default;
};

template <class T>
using result = tl::expected<T, error>;

/// `return fail(errc::bad_input, "…")` in a function that returns result<T>.
inline tl::unexpected<error> fail(errc code, std::string text = {}) {
  return tl::unexpected<error>(error{code, std::move(text)});
}
inline tl::unexpected<error> fail(error e) {
  return tl::unexpected<error>(std::move(e));
}

} // namespace tayfa
