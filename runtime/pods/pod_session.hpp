// The pod's side of the pod link, in the place of the queue: it connects to the head, says what the
// pod has, gives its workers the attempts that the head assigns, and keeps each result until the
// head has it.
//
// Owner: the actor `head_link`. Not thread safe, no clock, no sockets, no disk: moments, events and
// the workers' messages are arguments; what must be done comes back as `session_effects`, in order;
// link messages go out through the `send` function.
//
// Invariants (audit() checks them; tests/unit/pods):
//   * a result is made durable before it is reported, and kept until the head says `forget`;
//   * a silent or absent head ends no work: what runs here goes on, and nothing new is taken;
//   * an attempt is given to a worker at most once, and a batch as a whole;
//   * the credit that the head was given only grows, and what comes beyond it is returned;
//   * the first try to connect, and each later one, waits for a random time; the time grows until a
//     welcome has held for a while.
#pragma once

#include "messages/models.hpp"
#include "messages/pod_protocol.hpp"
#include "messages/workers.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/pods/link_end.hpp"
#include "runtime/pods/registry_effects.hpp"
#include "runtime/pods/session_effects.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tayfa::pods {

struct session_limits {
  milliseconds first_try{2'000}; ///< the first try comes within this time, also after a cut
  milliseconds pause_base{500};  ///< the pause after try n is random in [0, pause_base * 2^n)
  milliseconds pause_max{15'000};
  milliseconds welcome_holds{60'000}; ///< so long a welcome must hold before pauses begin anew
  milliseconds beat{2'000};           ///< until the head has said
  std::uint32_t misses = 3;
  std::uint64_t kept_bytes_max = std::uint64_t{10} << 30;
  std::uint32_t kept_max = 3'072; ///< results; the rest of an inventory is for what runs
  std::uint64_t cache_bytes = std::uint64_t{256} << 20;
  std::size_t stored_parts_max = std::size_t{8} << 20; ///< bytes of streams without a session
};

struct pod_identity {
  std::uint64_t incarnation = 1; ///< counts the starts of this pod, durably
  std::string name{}, release{};
  std::string head{}; ///< id of the head that welcomed it last; empty = none
  std::vector<std::string> models{};
  std::uint32_t versions_from = pod_protocol::version_min;
  std::uint32_t versions_to = pod_protocol::version_max;
};

struct head_address {
  std::string address, key;
};

/// A result on the pod's disk, as it is found at the start.
struct kept_result {
  attempt_ref attempt;
  std::uint64_t bytes = 0;
};

/// A worker as the head sees it.
pod_protocol::slot_ready ready_of(const worker_facts&);

/// The pod, for people.
struct session_status {
  bool linked = false;
  std::string closed; ///< why it takes nothing; empty = it does
  std::uint32_t running = 0, waiting = 0, kept = 0;
  std::uint64_t kept_bytes = 0;
  milliseconds silent{0};
};

class pod_session {
 public:
  using send_function = std::function<sent(const link_message&)>;

  pod_session(session_limits, pod_identity, std::vector<head_address>, random_source&,
              send_function);
  pod_session(const pod_session&) = delete;
  pod_session& operator=(const pod_session&) = delete;

  /// With what the disk has kept; connects after a random time.
  session_effects start(moment now, const std::vector<kept_result>&);

  // ---- connection ------------------------------------------------------------------------------
  session_effects on(moment now, const connector_event&);

  // ---- workers ---------------------------------------------------------------------------------
  session_effects on(moment now, const worker_ready&);
  session_effects on(moment now, const attempt_reported&);
  session_effects on(moment now, const worker_gone&);
  /// The worker gets nothing more; what it has goes on. worker_ready offers it again.
  session_effects on(moment now, const drain_worker&);
  session_effects on(moment now, const model_refused&);
  /// The models on this pod's disk have changed.
  session_effects models(moment now, std::vector<std::string>);

  // ---- disk ------------------------------------------------------------------------------------
  session_effects result_kept(moment now, const attempt_ref&, const result<void>&);
  session_effects result_read(moment now, const attempt_ref&, const result<protocol::finished>&);
  session_effects key_made(moment now, const std::string& public_key);

  // ---- operators of the pod, and its stop -------------------------------------------------------
  session_effects drain(moment now, pod_protocol::drain_mode, milliseconds grace);
  session_effects undrain(moment now);

  // ---- time ------------------------------------------------------------------------------------
  session_effects expire(moment now);
  std::optional<moment> next_deadline() const;

  session_status status(moment now) const;
  /// Nothing runs and nothing is kept: the pod may end.
  bool idle() const { return tasks_.empty(); }
  struct counters {
    std::uint64_t sessions = 0, returned = 0, refused_frames = 0, dropped_parts = 0;
  };
  const counters& count() const { return counters_; }
  std::vector<std::string> audit() const;

 private:
  enum class wire_state : std::uint8_t { idle, connecting, up };
  enum class phase : std::uint8_t { none, greeting, linked };
  struct slot {
    worker_ref live; ///< incarnation 0 = it has no worker
    worker_facts facts;
    bool changed = false;
    bool drained = false;        ///< by an operator of this pod
    std::uint64_t announced = 0; ///< incarnation of the worker that this session knows; 0 = none
    std::optional<pod_protocol::slot_gone> end; ///< of that worker
    std::uint32_t busy = 0; ///< attempts that the live worker has, or that wait for it
  };
  struct task {
    enum class state : std::uint8_t {
      gathering, ///< waits for its input, or for the other members of its run
      given,     ///< its worker has it
      running,   ///< its worker has begun
      keeping,   ///< it has ended, and its result is being written
      kept,
    } at = state::gathering;
    worker_ref worker;
    protocol::assign body; ///< while gathering
    pod_protocol::blob_ref input;
    std::uint64_t steps = 0;
    moment give_up_at = moment::max();
    std::uint32_t timeout_ms = 0;
    bool dropped = false; ///< nobody wants to hear of it any more
    bool durable = false;
    bool reading = false;
    std::optional<protocol::finished> last; ///< until it is sent
    pod_protocol::blob_ref output;          ///< offered
    std::uint64_t bytes = 0;                ///< of the result
  };
  using task_map = std::map<attempt_ref, task>;
  struct run {
    std::uint32_t size = 1;
    std::vector<attempt_ref> members;
  };
  using run_key = std::pair<std::uint32_t, std::uint64_t>; ///< slot and the head's batch number

  // connection and hello (pod_session.cpp)
  void connect_later(moment now, milliseconds at_least);
  void cut(moment now, session_effects&);
  void message(moment now, std::span<const char>, session_effects&);
  void begin_session(moment now, std::vector<link_message>, session_effects&);
  void say_hello();
  static pod_protocol::slot_ready announced(const slot&);
  void settle(moment now, session_effects&);
  void sync_slots();
  bool has_results_of(const worker_ref&) const;
  void say_credit();
  void send(const worker_ref&, pod_protocol::upstream);
  void send(pod_protocol::upstream m) { send({}, std::move(m)); }
  void send_part(pod_protocol::upstream);
  bool has_session() const { return phase_ == phase::linked; }
  milliseconds silence() const { return beat_ * limits_.misses; }

  // the head's messages (pod_session_head.cpp)
  void said(moment, const worker_ref&, pod_protocol::welcome&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::verdicts&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::refused&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::beat_answer&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::assign&, session_effects&);
  void said(moment, const worker_ref&, protocol::cancel&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::forget&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::load&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::unload&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::drain&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::undrain&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::rotate&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::revoked&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::joined&, session_effects&) {}
  void said(moment, const worker_ref&, pod_protocol::blob_need&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::blob_have&, session_effects&);
  void said(moment, const worker_ref&, pod_protocol::chunk&, session_effects&);
  void obey(const attempt_ref&, pod_protocol::verdict, session_effects&);
  std::string why_not(const worker_ref&, const pod_protocol::assign&) const;
  std::string closed() const;

  // attempts (pod_session_work.cpp)
  void gather(moment now, session_effects&);
  void give(moment now, const run_key&, session_effects&);
  void leave_run(const attempt_ref&);
  void close_runs();
  void give_back(const attempt_ref&, const std::string& why);
  void stop(task_map::iterator, const std::string& why, session_effects&);
  void stop_all(const std::string& why, session_effects&);
  void begin_drain(moment now, pod_protocol::drain_mode, milliseconds grace, session_effects&);
  void forget(task_map::iterator, session_effects&);
  void free_place(const task&);
  void report_results(session_effects&);
  void send_result(task_map::iterator);
  void finished(moment, task_map::iterator, const protocol::finished&, session_effects&);
  void say_drained(session_effects&);
  slot* find_slot(const worker_ref&);

  session_limits limits_;
  pod_identity self_;
  std::vector<head_address> heads_;
  random_source& random_;
  send_function send_;
  receive_budget budget_;
  blob_cache cache_;
  std::unique_ptr<pod_end> link_;

  wire_state wire_ = wire_state::idle;
  phase phase_ = phase::none;
  bool first_message_ = false; ///< the next message is the first of its connection
  std::uint64_t session_ = 0;
  moment next_try_ = moment::max();
  std::uint32_t tries_ = 0;
  bool lost_head_ = false;   ///< a session that had held for long has ended
  std::uint32_t target_ = 0; ///< of heads_
  std::uint32_t wrong_keys_ = 0;
  moment heard_{}, linked_since_{}, beat_due_ = moment::max(), beat_at_{};
  milliseconds beat_{0};
  std::uint64_t beats_ = 0;
  std::chrono::microseconds round_trip_{0};

  std::map<std::uint32_t, slot> slots_;
  task_map tasks_;
  std::map<run_key, run> runs_;      ///< that are being gathered
  std::set<attempt_ref> unreported_; ///< kept, and not sent in this session
  std::vector<attempt_ref> inventory_;
  std::vector<pod_protocol::verdict> verdicts_; ///< on it, in its order
  std::vector<pod_protocol::upstream> parts_;   ///< of streams, while there is no session
  std::size_t part_bytes_ = 0;
  std::uint64_t batches_ = 0; ///< numbers for this pod's workers
  std::uint64_t taken_ = 0, take_until_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::uint32_t kept_ = 0;
  std::uint32_t undurable_ = 0; ///< results that the disk has not taken
  bool draining_ = false;       ///< by an operator of the pod, or for its stop
  bool head_drains_ = false;
  bool drain_said_ = false;
  moment drain_until_ = moment::max();
  counters counters_;
};

} // namespace tayfa::pods
