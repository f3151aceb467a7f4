// The actor for one incarnation of a slot's engine. It lives exactly as long as the process.
//
// Started by the supervisor, it starts the process (process_keeper), has it load the model, offers
// it to the queue, carries attempts to it and reports back by the rules of the worker protocol
// (worker_session), watches its heartbeats, and ends when the process has ended. A crash, a hang or
// a malformed frame costs the attempt and the process: the actor informs the queue, quits with the
// reason, and the supervisor decides about the next incarnation. The engine's state machine is this
// actor's behaviour.
#pragma once

#include "actors/common.hpp"
#include "actors/model_loader.hpp"
#include "actors/process_keeper.hpp"
#include "runtime/link/worker_session.hpp"

namespace tayfa {

struct engine_reported {
  engine_event what;
};

/// Terms of a worker, given by the supervisor at its start.
struct worker_terms {
  worker_ref worker;
  std::string engine; ///< name of its kind (messages/engine_kind.hpp)
  actor_directory directory;
  std::string model{};     ///< to be loaded; empty = the default
  std::uint32_t slots = 0; ///< of the pod now
};

/// How a worker ended, for its supervisor.
enum class worker_end : std::uint8_t {
  as_asked = 1, ///< the supervisor stopped it
  refresh = 2,  ///< a fresh process was asked for, by a job or for another model: start it at once
  failed = 3,   ///< by itself
  in_job = 4, ///< while a job ran: the job's attempt is what counts it (max_attempts), not the slot
  in_later_job = 5, ///< likewise, when it had ended other jobs well
};
caf::error to_reason(worker_end);
worker_end worker_end_from(const caf::error&);

class gpu_worker : public gpu_worker_actor::base {
 public:
  gpu_worker(caf::actor_config&, pod_context, worker_terms);

  const char* name() const override { return "gpu_worker"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  enum topic : std::uint32_t {
    state_budget,
    heartbeat_check,
    cancel_grace,
    stop_step,
    drain_check
  };

  // behaviours, one per state that differs
  auto common();
  behavior_type starting(); // NOT_STARTED, INITIALIZING
  behavior_type loading();  // LOADING_MODEL
  behavior_type serving();  // READY, PROCESSING
  behavior_type ending();   // SHUTDOWN

  // what the process did
  void born();
  void on(const engine_reported&);
  void on(const engine_spawned&);
  void on(const engine_frame&);
  void on(const protocol_violation&);
  void on(const engine_exited&);
  void said(const protocol::hello&);
  void said(const protocol::heartbeat&);
  void said(const protocol::load_finished&);
  void said(const protocol::log&);
  template <class About>
  void report_attempt(const About&);

  void granted(const model_granted&);
  void assigned(const assign_attempts&);
  void revoked(const revoke_attempt&);
  void change(const change_worker_model&);
  void drain(const drain_engine&);
  void check_drain();
  void on_directory(const actor_directory&);
  /// Sends the supervisor the slot's facts for people.
  void report_status();
  void timed(const due_timer&);

  void offer();
  void check_heartbeat();
  /// Begins the end: asks the engine to shut down, then SIGTERM, then SIGKILL.
  void shut_down(cause, error reason);
  /// Ends it at once: the process cannot be trusted to obey.
  void kill(cause, error reason);
  void leave(cause, error reason);
  void model_lost();
  void move_to(engine_state, cause);
  void settle();
  worker_end how_it_ended() const;
  void ask_for_model();
  bool alive() const { return state_.state() != engine_state::SHUTDOWN; }
  std::uint64_t arm(std::chrono::milliseconds, topic);

  pod_context ctx_;
  worker_terms terms_;
  machine<engine_state> state_;
  moment since_;
  process_keeper process_;
  worker_session session_;
  slot_status status_;
  error reason_;              ///< why it ended, when that was not asked for
  bool asked_ = false;        ///< the end was asked for
  bool refresh_ = false;      ///< a fresh process is to take its place at once
  bool from_outside_ = false; ///< a process outside the pod killed it
  bool in_job_ = false;       ///< attempts ran when it ended
  bool offered_ = false;
  bool draining_ = false;
  bool given_lately_ = false; ///< an attempt came since the last drain_check
  std::uint64_t ticket_ = 0;
  std::uint64_t drain_ticket_ = 0;
};

} // namespace tayfa
