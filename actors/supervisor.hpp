// The supervisor: owns the pod's lifecycle and every other actor.
//
// It is the root of the tree: the core group (queue, model_loader, health, remote_workers, ingress
// and, on RunPod, runpod_worker; rest_for_one, because each relies on those before it) and one
// group per slot (one gpu_worker each, so that one slot's failures are counted and quarantined
// alone, and all slots stop at the same time). Slots can be drained one by one, added and removed
// while the pod is READY or RUNNING. Pod states are its behaviours; every state but READY and
// RUNNING has a budget. What it decides about restarts is runtime/core/supervision; the pod's end
// carries an exit code that says why.
#pragma once

#include "actors/child_keeper.hpp"
#include "actors/gpu_worker.hpp"
#include "actors/ingress.hpp"
#include "actors/queue.hpp"
#include "actors/remote_workers.hpp"
#include "actors/runpod_worker.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace tayfa {

struct machine_checked {
  fitness_report report;
};

struct store_opened {
  result<job_store::recovered> what;
};

/// How the pod ended.
struct pod_exit {
  int code = 0;       ///< of the process: 0, 65, 69, 70, 75 (docs/operations: exit codes)
  std::string reason; ///< one line for the operator
  bool clean = true;  ///< false: the supervisor itself failed and its children may still live
};

/// The process's exit code for an error of the pod itself.
int exit_code_for(errc);

struct pod_terms {
  std::string engine; ///< name of its kind (messages/engine_kind.hpp)
  std::shared_ptr<queue_books> books;
  std::function<void(pod_exit)> stopped; ///< called once, from an actor's thread
  std::optional<runpod_terms> runpod{};  ///< set: the pod is a worker of RunPod's platform
  /// Called for every child that is started; the simulation needs to know which ones a kill -9
  /// ends.
  std::function<void(const caf::strong_actor_ptr&)> born{};
};

class supervisor : public supervisor_actor::base {
 public:
  supervisor(caf::actor_config&, pod_context, pod_terms);

  const char* name() const override { return "supervisor"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  enum topic : std::uint32_t {
    state_budget,
    drain_budget,
    drain_end,
    delivery_end,
    core_alarm,
    slot_alarm,
    slot_again
  };
  /// From "hand back" to going on without the queue's answer.
  static constexpr std::chrono::milliseconds drain_patience{500};
  /// How long results may take to reach RunPod's platform when nothing runs any more; what does not
  /// is in the store.
  static constexpr std::chrono::milliseconds delivery_patience{5'000};

  // behaviours, one per pod state that differs
  /// The handlers of most states, one for each message.
  auto common();
  behavior_type created();
  behavior_type starting();
  behavior_type configuring();
  behavior_type launching();
  behavior_type ready(); // READY and RUNNING
  behavior_type stopping();

  void begin_starting();
  void opened(const store_opened&);
  void bound(const http_bound&);
  void begin_configuring();
  void checked(const machine_checked&);
  void checked(const catalogue_checked&);
  void maybe_launch();
  void begin_launching();
  void maybe_ready();
  void engine(const engine_moved&);
  void load(const load_changed&);
  void timed(const due_timer&);

  void stop(const stop_pod&);
  void fail(cause, error);
  void begin_stopping(cause);
  void drain_queue_when_all_is_delivered();
  void end_drain();
  void stop_workers();
  void workers_stopped();
  void close_store();
  void force();
  void finish();

  void make_core();
  caf::strong_actor_ptr start_core(std::size_t);
  void announce(const caf::strong_actor_ptr&) const;

  // slots (supervisor_slots.cpp)
  struct slot;
  void make_slot(std::size_t);
  void start_slot(std::size_t);
  caf::strong_actor_ptr start_worker(std::size_t);
  void worker_down(const caf::down_msg&);
  void slot_timed(const due_timer&);
  void slot_quarantined(std::size_t, const error&, std::chrono::milliseconds);
  void slot_stopped(std::size_t);
  void on(const slot_status&);
  void on(const worker_drained&);
  slots_answer slots() const;
  slot_line line_of(std::size_t) const;
  slots_answer drain(const drain_slot&);
  slots_answer resize(const resize_slots&);
  void drain(slot&);
  void undrain(std::size_t);
  std::uint32_t slot_count() const;
  void share_cpus();
  error why_all_are_lost(const error& last) const; ///< slots that the pod shall have

  /// Tells everybody who everybody is; called whenever some actor is new.
  void introduce();
  void broadcast();
  call_sink sink() const;
  void refresh_ready();
  bool serving() const;
  void move_to(pod_state, cause, std::chrono::milliseconds budget = {});

  struct slot {
    std::unique_ptr<child_keeper> keeper;
    gpu_worker_actor worker;
    std::uint64_t incarnation = 0; ///< only grows, also when the slot is removed and added again
    engine_state state = engine_state::NOT_STARTED;
    std::uint32_t keepers = 0;             ///< made so far: a timer is for one of them
    slot_status status;                    ///< of this incarnation
    std::uint64_t completed = 0, lost = 0; ///< of earlier ones
    bool given_up = false;                 ///< while LAUNCHING
    bool quarantined = false;
    bool load_refused = false; ///< its latest engine could not load its model
    error last_end;            ///< why its latest engine ended, as far as that was not asked for
    bool draining = false;     ///< an operator's wish; holds until undrained
    bool removed = false;      ///< the pod shall not have it any more
    bool stopped = false;      ///< no engine, and none to come
    bool leaving() const { return draining || removed; }
    bool works() const { return state == engine_state::READY || state == engine_state::PROCESSING; }
  };

  pod_context ctx_;
  pod_terms terms_;
  machine<pod_state> state_;
  moment since_;
  actor_directory directory_;
  std::unique_ptr<child_keeper> core_;
  std::vector<slot> slots_; ///< never shrinks: a removed one keeps its incarnation
  std::optional<fitness_report> fitness_;
  std::optional<std::size_t> models_;
  pod_exit exit_;
  bool ready_ = false;
  bool http_open_ = false;
  bool store_open_ = false;
  std::shared_ptr<remote::worker_registry> remote_registry_; ///< outlives the actor that uses it
  bool origin_drained_ = false;                              ///< the platform gives nothing more
  bool undelivered_ = false; ///< and not all results for it are delivered
  bool queue_draining_ = false;
  bool waits_for_posts_ = false;
  bool workers_stopping_ = false;
  bool core_stopping_ = false;
  bool core_lost_ = false; ///< given up: nobody is left to drain
  bool forced_ = false;
  bool told_ = false;
  std::uint64_t budget_ticket_ = 0;
};

} // namespace tayfa
