// Every job of the pod and what may happen to it: the decisions of the queue, without actors,
// clocks or sockets.
//
// Owner: the queue actor (the table itself outlives the actor, so that a restarted queue loses
// nothing). Not thread safe. Time is an argument. Commands return what must now be done as
// `effects`; the caller carries them out in order.
//
// Invariants (checked by audit(): in tests/unit/core, and all along in the simulation):
//   * a job's state moves only along machine<job_state>; once final, neither it nor its output
//     ever changes;
//   * an attempt's number only grows; a report whose number is not the job's current one, or whose
//     worker is not the one that holds it, changes nothing and is counted (`stale`);
//   * a job is in a waiting line exactly while IN_QUEUE, and holds a worker exactly while
//     IN_PROGRESS;
//   * after cancel() answered, no result of that job becomes visible and no attempt starts;
//   * a worker never holds more attempts than its capacity; a revoked attempt counts until its
//     finished or worker_lost arrives, because the engine may still be at it;
//   * attempts <= max_attempts; jobs that wait for their first attempt <= queue_max (one that comes
//     back from a lost attempt was accepted before and is never refused); the bytes of live and of
//     ended jobs are bounded, and so is the number of ended ones.
//
// Everything is ordered by submission or by arrival, nothing by address or hash: the same commands
// give the same effects.
#pragma once

#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "runtime/world/clock.hpp"
#include "runtime/world/random.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa {

struct job_limits {
  std::size_t queue_max = 10'000; ///< waiting jobs; beyond it errc::queue_full
  std::uint32_t max_attempts = 3;
  milliseconds execution_timeout{600'000}; ///< default of policy.executionTimeout
  milliseconds ttl{86'400'000};            ///< default of policy.ttl
  milliseconds keep_async{30 * 60'000};    ///< RunPod: a /run result is kept 30 min
  milliseconds keep_sync{60'000};          ///< RunPod: a /runsync result is kept 1 min
  std::size_t chunks_max = 4096;           ///< unread stream chunks kept per job, oldest dropped
  std::size_t chunk_bytes_max = std::size_t{64} << 20; ///< of one job's unread chunks, likewise
  /// Inputs, progress and chunks of jobs that have not ended; beyond it errc::queue_full. What
  /// running jobs add is not refused, only counted: their number is bounded by the workers.
  std::size_t live_bytes_max = std::size_t{1} << 30;
  /// Outputs and chunks of ended jobs; beyond it, or beyond so many jobs, the oldest are forgotten
  /// before their time.
  std::size_t kept_bytes_max = std::size_t{1} << 30;
  std::size_t kept_jobs_max = 100'000;
};

// ---- effects: what the caller must do now -------------------------------------------------------

/// Give this attempt to this worker. `message.model` is left empty: the worker's keeper knows which
/// model it loaded.
struct give {
  worker_ref worker;
  protocol::assign message;
};
/// Tell this worker to stop this attempt; the table no longer waits for its result, only for its
/// end.
struct revoke {
  worker_ref worker;
  attempt_ref attempt;
};
/// The job's state changed (log, metrics, waiters). For a final state `view` is the answer, and
/// `watched` says that the one who submitted it asked to be told.
struct moved {
  job_view view;
  job_state from;
  cause why;
  bool watched;
};

using effect = std::variant<give, revoke, moved>;
using effects = std::vector<effect>;

class job_table {
 public:
  explicit job_table(job_limits limits);
  job_table(const job_table&) = delete;
  job_table& operator=(const job_table&) = delete;

  /// A new id in RunPod's form: "<uuid>-t1", or "sync-<uuid>-t1".
  static job_id make_id(random_source&, bool sync);

  // ---- clients ---------------------------------------------------------------------------------
  /// Takes the job under this id, or refuses (stopping, queue_full, bad_request for an id that
  /// exists). An id is used once, even after its job has been forgotten (make_id sees to it):
  /// attempt numbers fence only then. `watch`: the caller wants a `moved` with watched = true when
  /// it ends.
  result<effects> submit(moment now, job_id id, job_request request, bool watch);
  result<job_view> find(moment now, const job_id&) const;
  /// The chunks that nobody has read yet, and the state; reading consumes them. Unread chunks of a
  /// lost attempt are discarded (the next attempt makes them again), and so are those of a
  /// cancelled job.
  result<std::pair<job_view, std::vector<chunk>>> read_stream(moment now, const job_id&);
  /// Ends the job CANCELLED unless it has ended already (then its view, unchanged).
  result<std::pair<job_view, effects>> cancel(moment now, const job_id&);

  // ---- workers ---------------------------------------------------------------------------------
  /// A worker that can take `capacity` attempts at the same time. Announcing again with a higher
  /// incarnation first loses the old one; the same incarnation again changes nothing; an older one
  /// is stale.
  effects worker_joined(moment now, worker_ref worker, std::uint32_t capacity);
  /// The worker is gone: its attempts are lost (waiting again at the FRONT of the queue, or FAILED
  /// max_attempts with `why` in the text).
  effects worker_lost(moment now, slot_id slot, const error& why);
  /// The same for every worker there is (a restarted queue knows none of them).
  effects lose_all_workers(moment now, const error& why);
  /// No new attempt for this worker; running ones go on.
  effects worker_draining(moment now, worker_ref worker);
  /// True when the report was current; a stale one is counted and changes nothing. Stale is also a
  /// progress or partial whose sequence does not grow. The end of a revoked attempt is not current,
  /// yet it makes room on its worker; it is counted as stale only when it brings a result instead
  /// of the cancellation that was asked for.
  struct report_result {
    bool current = false;
    effects consequences;
  };
  report_result started(moment now, worker_ref, const protocol::started&);
  report_result progressed(moment now, worker_ref, const protocol::progress&);
  report_result streamed(moment now, worker_ref, const protocol::partial&);
  /// outcome::cancelled of an attempt that was not revoked is a lost attempt.
  report_result finished(moment now, worker_ref, const protocol::finished&);

  // ---- the pod ---------------------------------------------------------------------------------
  /// From now on submit() refuses with errc::stopping and nothing is given out.
  void stop_taking();
  /// The jobs that run are put back to the queue (the stop deadline has come); their attempts are
  /// revoked. Implies stop_taking().
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
  using line = std::list<record*>;
  using deadline = std::pair<moment, std::uint64_t>; ///< when, and the job's order

  struct record {
    const job_id* id = nullptr; ///< the key in jobs_
    std::uint64_t order = 0;    ///< of submission
    job_request request;
    machine<job_state> state;
    bool watch = false;
    moment submitted;
    moment due;            ///< its key in deadlines_, with `order`
    line::iterator place;  ///< in its waiting line while IN_QUEUE, in ended_ when final
    std::size_t bytes = 0; ///< as counted in live_bytes_ or kept_bytes_
    bool kept = false;     ///< counted in kept_bytes_

    std::uint32_t attempts = 0; ///< also the number of the latest attempt
    worker_ref holder;          ///< of the latest attempt
    moment assigned;
    std::optional<moment> began;
    std::uint32_t progress_seen = 0;
    std::uint32_t chunk_seen = 0;

    shared_text output;
    struct unread {
      std::deque<chunk> items;
      std::size_t bytes = 0;
    };
    std::unique_ptr<unread> chunks; ///< made by the first chunk: an empty deque is not small
    std::optional<error> failure;
    std::optional<milliseconds> delay;
    std::optional<milliseconds> execution;
  };

  /// A slot's latest worker. It stays here when gone, so that an older incarnation is recognised.
  struct worker {
    using rank = std::tuple<std::size_t, std::uint64_t, slot_id>; ///< load, since when, slot

    worker_ref ref;
    std::uint32_t capacity = 0;
    bool present = false;
    bool draining = false;
    std::uint64_t since = 0;     ///< tick of the last change of its load
    std::optional<rank> listed;  ///< its key in roomy_
    std::set<attempt_ref> holds; ///< given and not ended, revoked ones included
  };

  line& line_of(const record& r) { return r.request.policy.low_priority ? low_ : high_; }
  moment ttl_end(const record&) const;
  moment run_end(const record&) const;
  bool kept(moment now, const record&) const;
  static job_view view_of(const record&);

  record* find_kept(moment now, const job_id&);
  record* current(worker_ref, const attempt_ref&);
  worker* present(worker_ref);

  void schedule(record&, moment due);
  /// To be called after every change of what a job stores.
  void account(record&);
  void forget(record&);
  /// Forgets the oldest ended jobs until the bounds hold; never the one that ended last.
  void trim();
  void move(record&, job_state to, cause why, effects&);
  void end(moment now, record&, job_state to, cause why, std::optional<error> failure, effects&);
  void lose(moment now, record&, const error& why, effects&);
  void requeue(record&, effects&);
  void drop_attempt_traces(record&);
  void lose_worker(moment now, worker&, const error& why, effects&);
  void rank(worker&);
  record* next_waiting(moment now, effects&);
  void hand_over(moment now, record&, worker&, effects&);
  void assign(moment now, effects&);

  void audit_job(const job_id&, const record&, std::vector<std::string>&) const;
  void audit_workers(std::vector<std::string>&) const;

  job_limits limits_;
  std::size_t running_ = 0;
  bool stopping_ = false;
  std::uint64_t orders_ = 0;
  std::uint64_t ticks_ = 0;
  job_counts counts_; ///< in_queue and in_progress are computed
  std::unordered_map<job_id, record> jobs_;
  line high_;
  line low_;
  line ended_; ///< by the time of their end
  std::size_t live_bytes_ = 0;
  std::size_t kept_bytes_ = 0;
  std::map<deadline, record*> deadlines_; ///< one per job: its time limit, or when to forget it
  std::map<slot_id, worker> workers_;
  std::set<worker::rank> roomy_; ///< workers that can take an attempt, best first
};

} // namespace tayfa
