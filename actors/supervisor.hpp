// The supervisor: owns the pod's lifecycle and every other actor.
//
// It is the root of the tree: the core group (rest_for_one, because each relies on those before it)
// and one group per slot (one gpu_worker each, so that one slot's failures are counted and
// quarantined alone, and all slots stop at the same time). Slots can be drained one by one, added
// and removed while the pod is READY or RUNNING.
//
// The core group depends on the pod's role: queue, model_loader, health, remote_workers, ingress
// and, on RunPod, runpod_worker; a head has pod_gateway behind its queue; a pod that has a head has
// head_link in place of the queue, and neither a store nor workers of others.
//
// It only carries out: restarts are decided by runtime/core/supervision, slots by
// runtime/core/slot_table. Pod states are its behaviours; every state but READY and RUNNING has a
// budget. The phases of STOPPING are a machine of their own (stop_state). The pod's end carries an
// exit code that says why.
#pragma once

#include "actors/child_keeper.hpp"
#include "actors/gpu_worker.hpp"
#include "actors/head_link.hpp"
#include "actors/ingress.hpp"
#include "actors/pod_gateway.hpp"
#include "actors/queue_state.hpp"
#include "actors/remote_workers.hpp"
#include "actors/runpod_worker.hpp"
#include "runtime/core/slot_table.hpp"

#include <functional>
#include <map>
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
  slot_engines engines;
  std::shared_ptr<queue_state> queue;
  std::function<void(pod_exit)> stopped; ///< called once, from an actor's thread
  std::optional<runpod_terms> runpod{};  ///< set: the pod is a worker of RunPod's platform
  std::optional<head_terms> head{};      ///< set: other pods may link to this one
  std::optional<link_terms> link{};      ///< set: the pod has a head, and no queue of its own
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
  enum topic : std::uint32_t { state_budget, drain_budget, drain_end, core_alarm, slot_alarm };
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
  void begin_core();
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

  // the end (supervisor_stop.cpp)
  void stop(const stop_pod&);
  void fail(cause, const error&);
  void core_given_up(const error&);
  void end_with(const error&, stop_state first, cause);
  stop_state first_phase() const;
  void begin_stopping(stop_state first, cause);
  void enter(stop_state, cause);
  void on(const origin_drained&);
  void on(const queue_drained&);
  void load_changed_while_stopping();
  void drain_budget_over();
  void workers_stopped();
  void force(cause);
  void kill_all();
  void close_store();
  void finish();
  /// Some actor may still be asked to drain.
  bool drains() const { return stop_.state() < stop_state::STOPPING_WORKERS; }
  bool core_serves() const { return stop_.state() < stop_state::STOPPING_CORE; }
  bool undelivered() const { return undelivered_ && directory_.runpod; }

  /// The actors of the core group, in the order in which they start.
  enum class core_part : std::uint8_t {
    queue,
    head_link,
    pod_gateway,
    model_loader,
    health,
    remote_workers,
    ingress,
    runpod_worker,
  };
  static std::string name_of(core_part);
  std::vector<core_part> parts_of_role() const;
  void make_core();
  caf::strong_actor_ptr start_core(core_part);
  /// Calls `act` with the handle of each that there is.
  template <class Act>
  void for_each_core(Act act) const;
  void announce(const caf::strong_actor_ptr&) const;

  // slots (supervisor_slots.cpp)
  struct slot_timer;
  void make_keeper(std::size_t);
  caf::strong_actor_ptr start_worker(std::size_t);
  void worker_down(const caf::down_msg&);
  void slot_timed(std::uint64_t ticket);
  void arm_slot(std::chrono::milliseconds, slot_timer);
  void slot_quarantined(std::size_t, const error&, std::chrono::milliseconds);
  slots_answer drain(const drain_slot&);
  slots_answer resize(const resize_slots&);
  void execute(const slot_actions&);
  void execute_one(const start_slot&);
  void execute_one(const start_slot_again&);
  void execute_one(const stop_slot&);
  void execute_one(const drain_engine&);
  void execute_one(const slot_ended&);
  void execute_one(const share_cpus&);

  /// Sends every actor the directory; called whenever an actor is new.
  void introduce();
  void broadcast();
  call_sink sink() const;
  void refresh_ready();
  bool serving() const;
  void move_to(pod_state, cause, std::chrono::milliseconds budget = {});

  /// The actors of one slot, and the keeper that restarts them.
  struct slot_actors {
    std::unique_ptr<child_keeper> keeper;
    std::uint32_t keepers = 0; ///< made so far: a timer is for one of them
    gpu_worker_actor worker;   ///< null: none runs
  };
  /// A timer of a slot: for its keeper, or for slot_table::again.
  struct slot_timer {
    std::size_t slot = 0;
    bool again = false;
    std::uint32_t keeper = 0;
    std::uint64_t ticket = 0;
  };

  pod_context ctx_;
  pod_terms terms_;
  machine<pod_state> state_;
  machine<stop_state> stop_;
  moment since_;
  moment stop_since_;
  actor_directory directory_;
  head_link_actor head_link_; ///< null where the pod has no head
  std::uint64_t head_links_ = 0;
  std::vector<core_part> core_parts_;
  std::unique_ptr<child_keeper> core_;
  slot_table slots_;
  std::vector<slot_actors> slot_actors_; ///< by slot
  std::map<std::uint64_t, slot_timer> slot_timers_;
  std::uint64_t next_slot_timer_ = 0;
  std::optional<fitness> fitness_; ///< the worst of the checks so far
  std::size_t checks_left_ = 0;
  std::optional<std::size_t> models_;
  pod_exit exit_;
  std::shared_ptr<remote::worker_registry> remote_registry_; ///< outlives the actor that uses it
  std::shared_ptr<pods::pod_registry> pod_registry_;         ///< likewise
  std::uint64_t budget_ticket_ = 0;
  bool ready_ = false; ///< as the others know it
  bool http_open_ = false;
  bool store_open_ = false;
  bool undelivered_ = false; ///< as the queue says: a job of the platform has no delivered result
  bool forced_ = false;      ///< not everything ended by itself
};

} // namespace tayfa
