// This pod's session as a worker of RunPod's platform: when it takes jobs and how many, when it
// pauses, which jobs it stops, what it pings, and what it posts (through its outbox). Pure: events
// with a time are arguments, what must be done now comes back as effects, to be carried out in
// order.
//
// Owner: the runpod_worker actor, and with each actor a new session: the queue owns the jobs and
// their undelivered results. Not thread safe, no clock, no sockets.
//
// States: nothing is taken before the pod serves and the queue has named the jobs that it has;
// while draining the open take is dropped, what it still brings is taken, then origin_drained
// leaves, once. Pings begin when the pod serves for the first time; stop polls are made as long as
// the pod serves or has jobs of the platform.
//
// Invariants (tests/unit/runpod_worker):
//   * at most one take and one stop poll are open, a take for at most as many jobs as there are
//     free places;
//   * every job that a take brought is submitted once, or known already, or was stopped meanwhile,
//     or is reported to the platform as failed;
//   * next_deadline() lies ahead after expire(): time alone never repeats an effect.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/runpod_worker/effects.hpp"
#include "runtime/runpod_worker/outbox.hpp"

#include <deque>
#include <map>
#include <set>

namespace tayfa::runpod {

struct session_options {
  std::string endpoint;              ///< that the jobs belong to here
  std::uint32_t concurrency = 0;     ///< jobs at the same time; 0 = what the slots run together
  milliseconds take_timeout{90'000}; ///< a take is held so long, then dropped
  milliseconds stop_linger{2'000};   ///< what a dropped take may still bring comes within this
  std::uint64_t takes_before = 0;    ///< earlier sessions have used the numbers up to this
  outbox_options posts;
};

/// The answer to the take with this number.
struct take_answer {
  std::uint64_t number = 0;
  result<outgoing_answer> answer;
};

class session {
 public:
  session(const settings& platform, session_options options)
      : platform_(platform), options_(std::move(options)), outbox_(platform_, options_.posts) {
    takes_.number = options_.takes_before;
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  // ---- the pod ---------------------------------------------------------------------------------
  /// `serving`: the pod is READY or RUNNING.
  effects pod_moved(moment now, bool serving);
  /// How many attempts the slots run together.
  effects slots_ready(moment now, std::uint32_t capacity);
  effects drain();
  effects expire(moment now);
  std::optional<moment> next_deadline() const;

  // ---- the queue -------------------------------------------------------------------------------
  /// A queue, the first or a new one. It is asked for its jobs; until then nothing is taken, and
  /// answers of takes wait with the owner.
  effects queue_started();
  /// Its jobs. The owner passes the answers that waited to took() next, also when there are none.
  effects queue_answered(moment now, const origin_jobs&);
  bool knows_queue() const { return knows_queue_; }
  effects submitted(moment now, const job_id&, const std::string& origin, const job_answer&);
  /// The queue ended before it answered. Whether it has the job, the next one knows.
  effects submit_lost(const job_id&);
  effects cancelled(moment now, const job_id&, const job_answer&);
  effects progress(const origin_progress&);
  effects deliver(moment now, const deliver_result&);

  // ---- the platform ----------------------------------------------------------------------------
  effects took(moment now, std::deque<take_answer>);
  effects stops_answered(moment now, std::uint64_t number, const result<outgoing_answer>&);
  effects posted(moment now, std::uint64_t number, const result<outgoing_answer>&);
  effects ping_due();
  effects ping_answered(const result<outgoing_answer>&);

 private:
  std::uint32_t free_places() const;
  void take(moment now, effects&);
  void read_take(moment now, bool is_open, result<outgoing_answer>, effects&);
  void submit(moment now, taken_job, effects&);
  void report_drained(effects&);
  void poll_stops(moment now, effects&);
  void stop_job(moment now, const std::string& origin, effects&);

  const settings platform_;
  const session_options options_;
  outbox outbox_;

  bool serving_ = false;
  bool knows_queue_ = false;
  bool draining_ = false;
  bool drained_ = false;    ///< origin_drained has left
  bool last_taken_ = false; ///< with refresh_worker: the pod ends after this job
  bool pings_ = false;      ///< have begun
  std::uint32_t capacity_ = 0;

  struct poll {
    bool open = false;
    std::uint64_t number = 0; ///< of the latest
    moment began;
    std::uint32_t failures = 0;
    std::optional<moment> paused_until;
  };
  poll takes_, stops_;
  std::string stop_remark_;          ///< about the latest stop poll, as the log has it
  std::optional<moment> held_until_; ///< the open take is dropped then; empty = it has been

  std::set<job_id> submitting_;          ///< the queue has not answered yet
  std::map<job_id, std::string> live_;   ///< jobs that have not ended, with the platform's ids
  std::map<job_id, moment> early_stops_; ///< of jobs that are not here (yet), and until when
};

} // namespace tayfa::runpod
