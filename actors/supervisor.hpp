// The supervisor: owns the pod's lifecycle and every other actor.
//
// It is the root of the tree: the core group (queue, model_loader, health, ingress; rest_for_one,
// because each relies on those before it) and one group per slot (one gpu_worker each, so that one
// slot's failures are counted and given up alone, and all slots stop at the same time). Pod states
// are its behaviours; every state but READY and RUNNING has a budget. What it decides about
// restarts is runtime/core/supervision; the pod's end carries an exit code that says why.
#pragma once

#include "actors/child_keeper.hpp"
#include "actors/gpu_worker.hpp"
#include "actors/ingress.hpp"
#include "actors/queue.hpp"

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
  std::string engine; ///< resolved kind: "scripted" or "torch"
  std::shared_ptr<queue_books> books;
  std::function<void(pod_exit)> stopped; ///< called once, from an actor's thread
  /// Told of every child that is started; the simulation needs to know whom a kill -9 takes.
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

  // behaviours, one per pod state that differs
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
  void timed(const timer&);

  void stop(const stop_pod&);
  void fail(cause, error);
  void begin_stopping(cause);
  void stop_workers();
  void workers_stopped();
  void close_store();
  slots_answer tell_slots() const;
  void force();
  void finish();

  void make_core();
  void make_slot(std::size_t);
  caf::strong_actor_ptr start_core(std::size_t);
  caf::strong_actor_ptr start_worker(std::size_t);
  void announce(const caf::strong_actor_ptr&) const;
  void slot_gave_up(std::size_t, const error&);
  /// Tells everybody who everybody is; called whenever some actor is new.
  void introduce();
  void broadcast();
  void refresh_ready();
  bool serving() const;
  void move_to(pod_state, cause, std::chrono::milliseconds budget = {});

  struct slot {
    std::unique_ptr<child_keeper> keeper;
    gpu_worker_actor worker;
    std::uint64_t incarnation = 0;
    engine_state state = engine_state::NOT_STARTED;
    bool given_up = false;
    bool stopped = false;
  };

  pod_context ctx_;
  pod_terms terms_;
  machine<pod_state> state_;
  moment since_;
  crew crew_;
  std::unique_ptr<child_keeper> core_;
  std::vector<slot> slots_;
  std::optional<fitness_report> fitness_;
  std::optional<std::size_t> models_;
  pod_exit exit_;
  bool ready_ = false;
  bool http_open_ = false;
  bool store_open_ = false;
  bool workers_stopping_ = false;
  bool core_stopping_ = false;
  bool core_lost_ = false; ///< given up: nobody is left to drain
  bool forced_ = false;
  bool told_ = false;
  std::uint64_t budget_ticket_ = 0;
};

} // namespace tayfa
