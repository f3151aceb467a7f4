// The registry of the remote workers: programs built on RunPod's SDK that pull jobs of this pod's
// queue over HTTP. Decides which attempts and stops a worker gets, and what the queue learns about
// it.
//
// Owner: the remote_workers actor (the registry outlives it, so that incarnations only grow). Not
// thread safe, no clock, no sockets: time and calls are arguments, what must be done now comes back
// as `effects`, to be carried out in order. Everything that a worker says is untrusted: it can
// touch only what it holds, and every list is bounded.
//
// Invariants (audit() checks them; tests/unit/remote):
//   * an attempt is in the hands of at most one worker, and every attempt that was assigned is
//     later finished to the queue, or its worker left the queue, or the queue was started anew;
//   * a poll is answered at most once, and is not open any more then;
//   * the capacity that the queue was last offered for a worker never exceeds the attempts that the
//     worker holds plus those that its open polls still want. What the queue gives for it in one
//     decision arrives here as one numbered hand-over, which answers the takes at once; the queue
//     gives nothing more before it has an offer with that number. So no attempt comes that nothing
//     waits for, unless its take ended meanwhile;
//   * a worker's name belongs to the API key that brought it first, for as long as the worker is
//     known here; under another key it is refused (errc::forbidden) and nothing changes, except for
//     an operator's, which speaks for every worker. Without keys no name belongs to a key;
//   * the id under which an attempt is handed out is the job's own for its first attempt and
//     "<id>-r<number>" for every later one, whoever had the earlier ones: also a pod that was
//     started anew, and knows of no earlier hands, cannot mistake a late result for a current one;
//   * a worker goes on while the pod, its queue or this registry's owner is started anew. A new
//     registry gets the attempts that the last one had handed out (unclaimed()); a worker claims
//     one by any call that names its id, under the name and key that it had. A new queue gets the
//     workers anew, with all that they hold.
//
// A worker, as the queue sees it, begins with its first take and ends when it is silent, unfit or
// the pod forgets it; its name may come back, as another incarnation.
#pragma once

#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "messages/workers.hpp"
#include "runtime/api/call.hpp"
#include "runtime/base/clock.hpp"

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa::remote {

struct registry_limits {
  milliseconds ping_interval{10'000}; ///< as announced to the workers
  std::uint32_t missed = 3;           ///< pings that a job, or a worker, may miss
  milliseconds hold{20'000};          ///< how long a poll is held open
  std::uint32_t workers_max = 1'000;
  /// An attempt that was given just when its take was answered 204 waits so long for the next take,
  /// which is usually on its way, and is then given back. One whose take ended because the client
  /// went away is given back at once.
  milliseconds unclaimed_grace{500};
};

/// An open long poll. The caller makes them up and never uses one twice.
using poll_id = std::uint64_t;

// Towards the queue the effects are its messages: worker_ready (facts.capacity: how many attempts
// the worker takes at the same time, those that it holds included; 0 when it asks for nothing now),
// attempts_claimed, attempt_reported, and worker_gone, with all that it held.

// ---- effects: towards the worker ----------------------------------------------------------------

/// Answer this take; left() must be said then.
struct hand_out {
  poll_id poll = 0;
  bool batch = false;
  std::vector<api::job_handout> jobs;
};
/// Answer this stop poll; left() must be said then.
struct send_stops {
  poll_id poll = 0;
  std::vector<std::string> jobs;
};
/// Answer 204.
struct nothing_yet {
  poll_id poll = 0;
};
struct turn_away {
  poll_id poll = 0;
  error why;
};

/// For the log.
struct log_entry {
  enum class what : std::uint8_t { came, left, unfit } kind = what::came;
  std::string name, endpoint, text;
};

using effect = std::variant<worker_ready, attempts_claimed, attempt_reported, worker_gone, hand_out,
                            send_stops, nothing_yet, turn_away, log_entry>;
using effects = std::vector<effect>;

class worker_registry {
 public:
  /// Jobs of one worker, held and wanted together.
  static constexpr std::size_t jobs_max = 1'000;
  /// Open takes, and open stop polls, of one worker. The SDK has one of each.
  static constexpr std::size_t polls_max = 2;
  static constexpr std::size_t orphans_max = 1'000;
  static constexpr std::size_t device_max = 128;
  static constexpr std::size_t version_max = 64;
  static constexpr std::size_t error_max = std::size_t{64} << 10;

  explicit worker_registry(registry_limits limits) : limits_(limits) {}
  worker_registry(const worker_registry&) = delete;
  worker_registry& operator=(const worker_registry&) = delete;

  // ---- the workers -----------------------------------------------------------------------------
  effects take(moment now, poll_id, const api::take_jobs&);
  effects poll_stops(moment now, poll_id, const api::poll_stops&);
  struct verdict {
    /// errc::forbidden: the worker's name belongs to another key. errc::job_not_found: the worker
    /// does not hold this job, or the result is no longer needed. 4xx, so that the SDK drops it and
    /// does not try again.
    result<void> answer;
    effects then;
    /// The answer is to be sent when the queue has made durable what follows: the worker forgets
    /// the result then, or the queue must know that the attempt has made chunks.
    bool when_durable = false;
  };
  /// Renews exactly the jobs that it names. One that reports trouble loses what it holds.
  verdict ping(moment now, const api::worker_ping&);
  verdict posted(moment now, const api::worker_result&);
  verdict streamed(moment now, const api::worker_chunk&);
  /// The client of this poll went away before it was answered.
  effects gone(moment now, poll_id);
  /// How the answer to this poll fared. What did not leave goes back to the queue, at no cost.
  effects left(moment now, poll_id, bool whole);

  // ---- the queue -------------------------------------------------------------------------------
  /// A hand-over: what the queue gives the worker, all at once. Nothing may be left of it.
  effects assigned(moment now, worker_ref, std::uint64_t number,
                   const std::vector<protocol::assign>&);
  effects revoked(moment now, worker_ref, const attempt_ref&);
  /// These attempts may be claimed, in place of those that could be before.
  void unclaimed(const std::vector<unclaimed_attempt>&);
  /// A new queue gets the workers as new incarnations, with all that they hold.
  effects queue_restarted(moment now);
  /// A new owner of the registry: the polls that the last one held are lost. The queue may be a new
  /// one as well.
  effects owner_restarted(moment now);
  /// The result that posted() took is durable.
  void settled(const api::worker_place& from, const std::string& id);

  // ---- the pod ---------------------------------------------------------------------------------
  /// Offers the workers to the queue from now on. Before that, takes are held but not offered.
  effects serve(moment now);
  /// Nothing more is handed out. Stops are sent and results accepted to the end.
  effects stop(moment now);
  /// Ends polls that were held long enough, unclaimed jobs that no worker came for, and silent
  /// workers.
  effects expire(moment now);
  std::optional<moment> next_deadline() const;
  /// Every poll that is open, to be answered before the owner ends.
  effects close();

  // ---- for people ------------------------------------------------------------------------------
  std::vector<remote_summary> summaries(moment now) const; ///< by endpoint and name
  struct numbers {
    std::uint32_t idle = 0, running = 0, unhealthy = 0;
  };
  numbers count() const;
  std::size_t size() const { return workers_.size(); }
  std::uint64_t refused() const { return refused_; } ///< posts about jobs that were not held
  std::vector<std::string> audit() const;            ///< breaks of the invariants, in words

 private:
  using key = std::pair<std::string, std::string>; ///< endpoint and name
  /// A worker's lasting name, and the id under which it has the job.
  using claim_key = std::pair<std::string, std::string>;
  struct claimable {
    attempt_ref attempt;                 ///< number 0: two jobs have this id, so neither is claimed
    std::optional<moment> missing_since; ///< its worker has come back, and did not name it
  };
  struct take_poll {
    poll_id poll = 0;
    std::uint32_t wanted = 1;
    bool batch = false;
    moment until;
  };
  struct stop_poll {
    poll_id poll = 0;
    moment until;
  };
  struct job {
    enum class place : std::uint8_t {
      here,    ///< assigned, not handed out
      leaving, ///< in an answer of which we do not know yet whether it left; or (without an
               ///< answer) perhaps with the worker, whose next pings show that
      there    ///< the worker has it
    };
    attempt_ref attempt;
    shared_text input; ///< it and the next one: until it has left
    std::string s3_config;
    place at = place::here;
    poll_id with = 0;           ///< the answer it leaves with; 0 = none
    bool revoked = false;       ///< the queue takes no result of it any more
    poll_id stop_sent_with = 0; ///< the answer that carries its stop to the worker
    moment since;               ///< it is at its place
    std::uint32_t progress = 0, chunks = 0;
    std::uint64_t steps = 0;
  };
  struct worker {
    key who;
    std::string api_key; ///< whose name it is; empty = it came without one
    worker_ref ref;      ///< its slot is its own from its coming on
    bool joined = false;
    std::uint32_t offered = 0;      ///< the latest capacity that the queue was offered
    std::uint64_t hand_overs = 0;   ///< number of the latest
    std::uint64_t acknowledged = 0; ///< the number in the latest offer
    bool takes_again = true;        ///< its last take was not left by its client
    bool fit = true;
    std::string device, version;
    moment heard;
    moment due;
    std::deque<take_poll> takes; ///< oldest first
    std::deque<stop_poll> stops;
    std::map<std::string, job> jobs;   ///< by the id it is handed out under
    std::deque<std::string> unclaimed; ///< of `jobs`, those that are here, in their order
    /// Jobs whose results the queue has, and may lose when it ends now.
    std::map<std::string, attempt_ref> unsettled;
    /// Ids of jobs that the worker runs without holding them: it must stop these. The value is the
    /// answer that carries the stop.
    std::map<std::string, poll_id> orphans;
    std::uint64_t completed = 0, lost = 0;
  };

  worker* find(const key&);
  worker* find(worker_ref);
  /// errc::forbidden, or rate_limited when it is new and there is no room for it.
  result<worker*> meet(moment now, const api::worker_place&, effects&);
  static result<void> may_speak(const worker&, const api::worker_place&);
  static std::string lasting_name(const key&, const std::string& api_key);
  static std::string usual_id(const attempt_ref&);
  std::string handed_id(const worker&, const attempt_ref&) const;
  static std::size_t wanted(const worker&);

  worker_ready ready_of(const worker&) const;
  void adjust(worker&, effects&);
  void accept(moment now, worker&, const protocol::assign&);
  void schedule(worker&);
  milliseconds silence() const { return limits_.ping_interval * limits_.missed; }

  using job_entry = std::map<std::string, job>::iterator;
  void drop(worker&, job_entry);
  void finish(worker&, job_entry, protocol::finished, effects&);
  void give_back(worker&, job_entry, const char* why, effects&);
  void end_revoked(worker&, job_entry, effects&);
  void arrived(moment now, worker&, job&, effects&);
  void add_orphan(worker&, const std::string& id);
  void void_jobs(worker&);
  void join(worker&);
  void announce_anew(moment now, worker&, effects&);
  job_entry claim(moment now, worker&, const std::string& id, effects&);
  void give_up_missing(moment now, worker&, const std::set<std::string_view>& named, effects&);
  void answer_stop_polls(worker&, effects&);
  void answer_takes(moment now, worker&, effects&);
  void give_back_unclaimed(worker&, const char* why, effects&);
  void close_polls(worker&, effects&);
  void part(worker&, error why, effects&);
  void forget(worker&, error why, effects&);
  void expire_one(moment now, worker&, effects&);
  worker* poster(moment now, const api::worker_place& from, const std::string& id, verdict&);
  job_entry of_post(moment now, worker*, const api::worker_place& from, const std::string& id,
                    bool last, verdict&);

  registry_limits limits_;
  std::map<key, worker> workers_;
  std::map<claim_key, claimable> claimable_;
  std::map<std::uint32_t, worker*> by_slot_;
  std::map<poll_id, worker*> open_;   ///< polls that wait for an answer
  std::map<poll_id, worker*> flying_; ///< answers of which left() is to be said
  std::set<std::pair<moment, std::uint32_t>> due_;
  std::set<std::uint32_t> free_slots_; ///< below next_slot_
  std::uint32_t next_slot_ = 0;        ///< of pull_node
  std::uint64_t incarnations_ = 0;
  std::uint64_t refused_ = 0;
  bool serving_ = false;
  bool stopping_ = false;
};

} // namespace tayfa::remote
