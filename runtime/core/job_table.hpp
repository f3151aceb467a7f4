// Every job of the pod and what may happen to it: the decisions of the queue, without actors, clocks or sockets.
//
// Owner: the queue actor (the table itself outlives the actor, so that a restarted queue loses nothing). Not thread safe.
// Time is an argument. Commands return what must now be done as `effects`; the caller carries them out in order.
//
// Invariants (reliability.md I1-I7, checked by tests/unit/core and after every step of the simulation):
//   * a job's state moves only along machine<job_state>; once final it never changes, nor does its output;
//   * an attempt's number only grows; a report whose number is not the job's current one, or whose worker is not the
//     one that holds it, changes nothing and is counted (`stale`);
//   * a job is in the waiting list exactly while IN_QUEUE, and holds a worker exactly while IN_PROGRESS;
//   * after cancel() answered, no result of that job becomes visible and no attempt starts;
//   * attempts <= max_attempts; waiting jobs <= queue_max; stored bytes are bounded by queue_max and retention.
#pragma once

#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "runtime/world/clock.hpp"
#include "runtime/world/random.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace tayfa {

struct job_limits {
  std::size_t queue_max = 10'000;                   ///< waiting jobs; beyond it errc::queue_full
  std::uint32_t max_attempts = 3;
  milliseconds execution_timeout{600'000};          ///< default of policy.executionTimeout
  milliseconds ttl{86'400'000};                     ///< default of policy.ttl
  milliseconds keep_async{30 * 60'000};             ///< RunPod: a /run result is kept 30 min
  milliseconds keep_sync{60'000};                   ///< RunPod: a /runsync result is kept 1 min
  std::size_t chunks_max = 4096;                    ///< unread stream chunks kept per job, oldest dropped
};

// ---- effects: what the caller must do now -----------------------------------------------------------

/// Give this attempt to this worker.
struct give { worker_ref worker; protocol::assign message; };
/// Tell this worker to stop this attempt; the table no longer waits for it.
struct revoke { worker_ref worker; attempt_ref attempt; };
/// The job's state changed (log, metrics, waiters). For a final state `view` is the answer.
struct moved { job_view view; job_state from; cause why; bool watched; };

using effect = std::variant<give, revoke, moved>;
using effects = std::vector<effect>;

class job_table {
 public:
  explicit job_table(job_limits limits) : limits_(limits) {}

  // ---- clients ---------------------------------------------------------------------------------
  /// Takes the job under this id, or refuses (queue_full, bad_request for an id that exists). `watch`: the
  /// caller wants a `moved` with watched = true when it ends.
  result<effects> submit(moment now, job_id id, job_request request, bool watch);
  result<job_view> find(moment now, const job_id&) const;
  /// The chunks that nobody has read yet, and the state; reading consumes them.
  result<std::pair<job_view, std::vector<chunk>>> read_stream(moment now, const job_id&);
  /// Ends the job CANCELLED unless it has ended already (then its view, unchanged).
  result<std::pair<job_view, effects>> cancel(moment now, const job_id&);

  // ---- workers ---------------------------------------------------------------------------------
  /// A worker that can take `capacity` attempts at the same time. Announcing again with another incarnation first
  /// loses the old one.
  effects worker_joined(moment now, worker_ref worker, std::uint32_t capacity);
  /// The worker is gone: its attempts are lost (waiting again at the FRONT of the queue, or FAILED max_attempts
  /// with `why` in the text).
  effects worker_lost(moment now, slot_id slot, const error& why);
  /// The same for every worker there is (a restarted queue knows none of them).
  effects lose_all_workers(moment now, const error& why);
  /// No new attempt for this worker; running ones go on.
  effects worker_draining(moment now, worker_ref worker);
  /// True when the report was current; a stale one is counted and changes nothing.
  struct report_result { bool current = false; effects todo; };
  report_result started(moment now, worker_ref, const protocol::started&);
  report_result progressed(moment now, worker_ref, const protocol::progress&);
  report_result streamed(moment now, worker_ref, const protocol::partial&);
  report_result finished(moment now, worker_ref, const protocol::finished&);

  // ---- the pod ---------------------------------------------------------------------------------
  /// From now on submit() refuses with errc::stopping and nothing is given out.
  void stop_taking();
  /// The jobs that run are put back to the queue (the stop deadline has come); their attempts are revoked.
  effects hand_back(moment now);
  /// Ends what has timed out and forgets what has been kept long enough.
  effects expire(moment now);
  /// When expire() has something to do next.
  std::optional<moment> next_deadline() const;
  job_counts counts() const;
  std::size_t running() const { return running_; }
  /// Breaks of the invariants above, in words; empty when all hold. O(n), for tests and simulation.
  std::vector<std::string> audit() const;

 private:
  struct record;
  struct worker;
  // (implementation members follow: freely chosen by the implementation)
  job_limits limits_;
  std::size_t running_ = 0;
};

/// "<uuid>-t1", or "sync-<uuid>-t1" as RunPod marks sync jobs.
job_id make_job_id(random_source&, bool sync);

} // namespace tayfa
