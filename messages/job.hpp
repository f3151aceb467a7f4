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
#include <string_view>
#include <vector>

namespace tayfa {

using std::chrono::milliseconds;

/// RunPod's `policy` object (docs: serverless/endpoints/send-requests; its bounds are RunPod's
/// own), and what Tayfa adds to it.
struct job_policy {
  static constexpr milliseconds execution_timeout_min{5'000};
  static constexpr milliseconds execution_timeout_max{std::chrono::hours{24 * 7}};
  static constexpr milliseconds ttl_min{10'000};
  static constexpr milliseconds ttl_max{std::chrono::hours{24 * 7}};
  static constexpr std::uint8_t priority_max = 9; ///< the most urgent
  static constexpr std::uint8_t priority_normal = 5;
  static constexpr std::uint8_t priority_low = 1; ///< RunPod's lowPriority
  static constexpr milliseconds deadline_max = ttl_max;
  static constexpr milliseconds delay_max = ttl_max;
  static constexpr std::size_t name_max = 64;         ///< of tenant and model
  static constexpr std::size_t idempotency_max = 255; ///< of the key, printable ASCII

  std::optional<milliseconds> execution_timeout; ///< of one attempt; empty = the pod's default
  std::optional<milliseconds> ttl;         ///< of the job, from its acceptance; empty = default
  std::uint8_t priority = priority_normal; ///< 0 (may wait) .. 9 (urgent), among its tenant's jobs
  /// Wanted finished this long after acceptance: orders the tenant's jobs, ends none of them.
  std::optional<milliseconds> deadline;
  milliseconds delay{0};       ///< not started before this long after acceptance
  std::string tenant;          ///< whose fair share it uses; empty = the common one
  std::string idempotency_key; ///< a second submission with it is the same job; empty = none

  bool operator==(const job_policy&) const = default;
};

/// A client's request: POST /run or /runsync, checked and bounded (runtime/api).
struct job_request {
  std::string endpoint; ///< one of the pod's endpoints
  std::string model;    ///< of the catalogue; empty = the default one
  std::string shape;    ///< jobs of one model and shape take about as long and may run together
  shared_text input;    ///< JSON text of the `input` member, valid and within the depth limit
  job_policy policy;
  std::string webhook; ///< called when the job has ended; empty = none
  /// RunPod's `s3Config` object, as JSON text: where the handler may put large outputs. Holds a
  /// secret; passed on to who runs the job, never shown. Empty = none.
  std::string s3_config{};
  /// The platform's own id of a job that was taken from RunPod's platform; its result goes to
  /// it. Empty = the job was submitted here.
  std::string origin{};
  bool sync = false; ///< ids of sync jobs begin with "sync-", as RunPod's do
};

/// The jobs that a client may see and touch: those of these endpoints and of this tenant. A job
/// outside of it is answered as if it did not exist (errc::job_not_found), so that no client learns
/// of it.
struct job_access {
  std::vector<std::string> endpoints{}; ///< empty = those of every endpoint
  std::optional<std::string> tenant{};  ///< empty = those of every tenant

  bool covers(std::string_view endpoint, std::string_view of_tenant) const;
  bool operator==(const job_access&) const = default;
};

// Why a job waits, as far as the queue knows; shown to people, decides nothing.
#define TAYFA_WAIT_REASONS(X)                                                                      \
  X(none, "it does not wait")                                                                      \
  X(no_worker, "no worker is ready")                                                               \
  X(workers_busy, "every worker that may take it is busy")                                         \
  X(worker_reserved, "a worker that finishes it sooner is about to be free")                       \
  X(no_memory, "no worker has enough memory for its model")                                        \
  X(model_loading, "its model is being loaded")                                                    \
  X(batch_filling, "it waits for other jobs to fill a batch")                                      \
  X(backoff, "an attempt was lost; it waits before the next")                                      \
  X(quota, "its tenant runs as many jobs as it may")                                               \
  X(delayed, "it was submitted with a delay that is not over")                                     \
  X(isolation, "it may have killed an engine and waits for a worker of its own")                   \
  X(stopping, "the pod is stopping; it waits for the next start")                                  \
  X(model_missing, "the catalogue has no such model; it waits for a start that has it")            \
  X(model_retry, "its model could not be loaded; that is tried again after a pause")               \
  X(no_engine, "no engine that runs models of its kind is ready")

enum class wait_reason : std::uint8_t {
#define TAYFA_X(name, text) name,
  TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
};
std::string_view to_string(wait_reason); ///< "no_worker"
std::string_view describe(wait_reason);  ///< the sentence of the row

/// A chunk of a streaming job: JSON text.
using chunk = shared_text;

/// An attempt that has ended. Times are since the job was accepted.
struct attempt_view {
  std::uint32_t number = 0;
  std::string worker;                ///< "slot-0"
  milliseconds given{0};             ///< to the worker
  std::optional<milliseconds> began; ///< the engine said started
  milliseconds ended{0};
  std::optional<error> failure; ///< empty: it brought the result
  bool operator==(const attempt_view&) const = default;
};

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
  wait_reason why = wait_reason::none;   ///< while IN_QUEUE
  /// The output is not here but in the store (job_store::fetch with this number); 0 = it is here.
  std::uint64_t stored_output = 0;
  std::size_t output_bytes = 0; ///< also of one that is not here
  /// Stream chunks of the latest attempt that were dropped before a reader received them.
  std::uint64_t dropped_chunks = 0;
};

/// Everything about a job, for close inspection (GET /jobs/{id}, the command line).
struct job_detail {
  job_view view;
  std::string endpoint, model, shape, tenant;
  std::uint8_t priority = job_policy::priority_normal;
  std::size_t input_bytes = 0;
  milliseconds age{0}; ///< since acceptance
  bool dead = false;   ///< on the dead list: FAILED without attempts left, kept for retry or drop
  std::uint32_t lives = 1;           ///< 1 + how often it was retried by a client
  std::vector<attempt_view> history; ///< oldest first, of all lives; the oldest may be forgotten
};
/// A job as an entry of a list of jobs.
struct job_summary {
  job_id id;
  job_state state = job_state::IN_QUEUE;
  wait_reason why = wait_reason::none;
  std::string model, tenant, worker;
  std::uint8_t priority = job_policy::priority_normal;
  std::uint32_t attempts = 0;
  milliseconds age{0};
  std::optional<error> failure;
};

/// Selects the jobs of a list. Empty members exclude no job.
struct job_filter {
  static constexpr std::size_t limit_max = 1'000;
  std::optional<job_state> state;
  std::optional<std::string> tenant;
  std::optional<std::string> model;
  std::optional<std::string> endpoint;
  bool dead = false;       ///< only the dead list
  std::size_t limit = 100; ///< 1 .. limit_max
  std::uint64_t after = 0; ///< of an earlier list's `next`
};
struct job_list {
  std::vector<job_summary> jobs; ///< by submission, newest first
  std::uint64_t next = 0;        ///< for the filter's `after`; 0 = that was all
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
  std::uint64_t dead = 0;           ///< on the dead list now
  std::uint64_t chunks_dropped = 0; ///< before a reader received them
  std::uint64_t kept = 0; ///< ended jobs whose result is still here, the dead ones included
};

} // namespace tayfa
