// A job as its client sees it: what was asked, and how it stands. Plain values, no behaviour.
//
// Times are milliseconds: `_ms` durations from a monotonic clock, `_at_ms` moments of the wall
// clock (Unix epoch), for people only; nothing is decided by a wall clock.
#pragma once

#include "messages/error.hpp"
#include "messages/fields.hpp"
#include "messages/ids.hpp"
#include "messages/lifecycle.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

using std::chrono::milliseconds;

/// RunPod's `policy` object (docs: serverless/endpoints/send-requests); bounds are RunPod's own.
struct job_policy {
  static constexpr milliseconds execution_timeout_min{5'000};
  static constexpr milliseconds execution_timeout_max{std::chrono::hours{24 * 7}};
  static constexpr milliseconds ttl_min{10'000};
  static constexpr milliseconds ttl_max{std::chrono::hours{24 * 7}};

  std::optional<milliseconds> execution_timeout; ///< of one attempt; empty = the pod's default
  std::optional<milliseconds> ttl; ///< of the job, from its acceptance; empty = default
  bool low_priority = false;

  bool operator==(const job_policy&) const = default;
};

/// What a client asked for: POST /run or /runsync, checked and bounded (runtime/api).
struct job_request {
  std::string endpoint; ///< one of the pod's endpoints
  shared_text input;    ///< JSON text of the `input` member, valid and within the depth limit
  job_policy policy;
  std::string webhook; ///< kept and shown, not called yet (docs/decisions.md)
  bool sync = false;   ///< ids of sync jobs begin with "sync-", as RunPod's do
};

/// One chunk of a streaming job: JSON text.
using chunk = shared_text;

/// How a job stands. `output`, `failure` and the times are set as far as they are known.
struct job_view {
  job_id id;
  job_state state = job_state::IN_QUEUE;
  shared_text output;           ///< JSON text; the final output, or the latest progress
  std::optional<error> failure; ///< set when FAILED or TIMED_OUT
  std::string worker;           ///< "slot-0", of the latest attempt
  std::uint32_t attempts = 0;
  std::optional<milliseconds> delay;     ///< accepted -> first attempt started
  std::optional<milliseconds> execution; ///< of the attempt that ended it
};

/// How the queue stands: RunPod's `/health` "jobs", and what waits.
struct job_counts {
  std::uint64_t completed = 0;
  std::uint64_t failed = 0; ///< FAILED + TIMED_OUT + CANCELLED are kept apart below as well
  std::uint64_t cancelled = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t retried = 0; ///< attempts lost and given again
  std::uint64_t stale = 0;   ///< reports refused by the fence
  std::uint64_t in_queue = 0;
  std::uint64_t in_progress = 0;
};

} // namespace tayfa
