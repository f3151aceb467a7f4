// The five state machines of Tayfa: pod, its stop, engine, ingress and job. States, edges and
// causes are declared here and nowhere else; moves, diagrams (docs), metrics and property tests
// derive from them.
//
//   pod      CREATED -> STARTING -> CONFIGURING -> LAUNCHING -> READY <-> RUNNING
//               \___________\___________\_____________\__________\_________\--> STOPPING -> STOPPED
//   stop     NOT_STOPPING -> DRAINING_ORIGIN -> FINISHING_ORIGIN -> DRAINING_QUEUE -> DELIVERING
//               -> STOPPING_WORKERS -> STOPPING_CORE -> CLOSING_PORT -> CLOSING_STORE -> DONE
//               (while something drains) -> HANDING_BACK; (while something runs) -> KILLING
//   engine   NOT_STARTED -> INITIALIZING -> LOADING_MODEL -> READY <-> PROCESSING
//               \_______________\________________\____________\___________\--> SHUTDOWN
//   ingress  NOT_STARTED -> WAITING -> READY <-> PROCESSING
//               \____________\__________\___________\--> SHUTDOWN
//   job      IN_QUEUE <-> IN_PROGRESS --> COMPLETED
//               \____________\----------> FAILED | CANCELLED | TIMED_OUT
//
// A machine never runs backward: a restart is a new machine with a higher incarnation. An edge not
// in the table does not exist: moving along it is an error that names both ends.
#pragma once

#include "messages/error.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

#define TAYFA_POD_STATES(X)                                                                        \
  X(CREATED) X(STARTING) X(CONFIGURING) X(LAUNCHING) X(READY) X(RUNNING) X(STOPPING) X(STOPPED)
/// The phases of the pod's STOPPING, in order.
#define TAYFA_STOP_STATES(X)                                                                       \
  X(NOT_STOPPING)                                                                                  \
  X(DRAINING_ORIGIN)  /* the platform gives no more jobs                        */                 \
  X(FINISHING_ORIGIN) /* its jobs run, and their results are delivered          */                 \
  X(DRAINING_QUEUE)   /* running jobs end, none is started                      */                 \
  X(HANDING_BACK)     /* the drain took too long: running jobs go back          */                 \
  X(DELIVERING)       /* nothing runs; results are on their way to the platform */                 \
  X(STOPPING_WORKERS)                                                                              \
  X(STOPPING_CORE)                                                                                 \
  X(KILLING) /* workers and core actors are killed, not asked          */                          \
  X(CLOSING_PORT)                                                                                  \
  X(CLOSING_STORE)                                                                                 \
  X(DONE)
#define TAYFA_ENGINE_STATES(X)                                                                     \
  X(NOT_STARTED) X(INITIALIZING) X(LOADING_MODEL) X(READY) X(PROCESSING) X(SHUTDOWN)
#define TAYFA_INGRESS_STATES(X) X(NOT_STARTED) X(WAITING) X(READY) X(PROCESSING) X(SHUTDOWN)
// Stores hold these by number (runtime/store/column_codecs.hpp): a new one goes behind the last.
#define TAYFA_JOB_STATES(X)                                                                        \
  X(IN_QUEUE) X(IN_PROGRESS) X(COMPLETED) X(FAILED) X(CANCELLED) X(TIMED_OUT)

#define TAYFA_X(name) name,
enum class pod_state : std::uint8_t { TAYFA_POD_STATES(TAYFA_X) };
enum class stop_state : std::uint8_t { TAYFA_STOP_STATES(TAYFA_X) };
enum class engine_state : std::uint8_t { TAYFA_ENGINE_STATES(TAYFA_X) };
enum class ingress_state : std::uint8_t { TAYFA_INGRESS_STATES(TAYFA_X) };
enum class job_state : std::uint8_t { TAYFA_JOB_STATES(TAYFA_X) };
#undef TAYFA_X

/// Why an edge was taken. One list for all machines, so that a log can be searched by cause.
#define TAYFA_CAUSES(X)                                                                            \
  X(start_requested)    /* somebody asked for it to start                               */         \
  X(parts_started)      /* store open, actors up, ports bound                           */         \
  X(configured)         /* configuration, machine and catalogue are checked             */         \
  X(engines_ready)      /* every required engine has passed its warm-up                 */         \
  X(jobs_started)       /* the first job began to run                                   */         \
  X(jobs_done)          /* the last running job ended                                   */         \
  X(stop_requested)     /* a signal, a command, or the parent's stop                    */         \
  X(part_failed)        /* a child was given up by its supervisor                       */         \
  X(state_timeout)      /* the state's budget ran out                                   */         \
  X(unfit)              /* the compatibility test says so                               */         \
  X(all_stopped)        /* every child has ended                                        */         \
  X(deadline)           /* not everything ended in time; what was left was killed       */         \
  X(origin_drained)     /* the platform gives no more jobs                              */         \
  X(delivered)          /* the platform has every result                                */         \
  X(closed)             /* the port or the store is closed                              */         \
  X(spawned)            /* the engine process exists                                    */         \
  X(said_hello)         /* the engine process speaks the protocol                       */         \
  X(warmed_up)          /* the model is loaded and a warm-up job has passed             */         \
  X(load_failed)        /* the model cannot be loaded                                   */         \
  X(crashed)            /* the engine process ended by itself                           */         \
  X(hung)               /* no heartbeat, or a cancel was not obeyed                     */         \
  X(spoke_nonsense)     /* a frame that breaks the protocol                             */         \
  X(pod_ready)          /* the pod takes jobs                                           */         \
  X(assigned)           /* an attempt was given to a worker                             */         \
  X(attempt_lost)       /* the worker of the attempt is gone; the job waits again       */         \
  X(finished)           /* the engine answered with a result                            */         \
  X(job_error)          /* the engine answered with an error of the job                 */         \
  X(attempts_exhausted) /* no attempt is left                                           */         \
  X(poisoned)           /* it ended the engine that ran it alone, too often             */         \
  X(cancel_requested)   /* the client cancelled                                         */         \
  X(execution_timeout)  /* the job ran too long                                         */         \
  X(ttl_expired)        /* the job lived too long                                       */

enum class cause : std::uint8_t {
#define TAYFA_X(name) name,
  TAYFA_CAUSES(TAYFA_X)
#undef TAYFA_X
};

std::string_view to_string(pod_state);
std::string_view to_string(stop_state);
std::string_view to_string(engine_state);
std::string_view to_string(ingress_state);
std::string_view to_string(job_state);
std::string_view to_string(cause);

/// A legal move.
template <class State>
struct edge {
  State from;
  State to;
  cause why;
};

/// A machine's name in logs and metrics, its states in order, and its edges. `detail`: it says more
/// about a state of another machine, so its moves are logged at level debug and are no events.
template <class State>
struct machine_traits;

template <>
struct machine_traits<pod_state> {
  static constexpr std::string_view name = "pod";
  static constexpr bool detail = false;
#define TAYFA_X(name) pod_state::name,
  static constexpr std::array states{TAYFA_POD_STATES(TAYFA_X)};
#undef TAYFA_X
  static const std::span<const edge<pod_state>> edges;
  static constexpr pod_state initial = pod_state::CREATED;
};
template <>
struct machine_traits<stop_state> {
  static constexpr std::string_view name = "stop";
  static constexpr bool detail = true;
#define TAYFA_X(name) stop_state::name,
  static constexpr std::array states{TAYFA_STOP_STATES(TAYFA_X)};
#undef TAYFA_X
  static const std::span<const edge<stop_state>> edges;
  static constexpr stop_state initial = stop_state::NOT_STOPPING;
};
template <>
struct machine_traits<engine_state> {
  static constexpr std::string_view name = "engine";
  static constexpr bool detail = false;
#define TAYFA_X(name) engine_state::name,
  static constexpr std::array states{TAYFA_ENGINE_STATES(TAYFA_X)};
#undef TAYFA_X
  static const std::span<const edge<engine_state>> edges;
  static constexpr engine_state initial = engine_state::NOT_STARTED;
};
template <>
struct machine_traits<ingress_state> {
  static constexpr std::string_view name = "ingress";
  static constexpr bool detail = false;
#define TAYFA_X(name) ingress_state::name,
  static constexpr std::array states{TAYFA_INGRESS_STATES(TAYFA_X)};
#undef TAYFA_X
  static const std::span<const edge<ingress_state>> edges;
  static constexpr ingress_state initial = ingress_state::NOT_STARTED;
};
template <>
struct machine_traits<job_state> {
  static constexpr std::string_view name = "job";
  static constexpr bool detail = false;
#define TAYFA_X(name) job_state::name,
  static constexpr std::array states{TAYFA_JOB_STATES(TAYFA_X)};
#undef TAYFA_X
  static const std::span<const edge<job_state>> edges;
  static constexpr job_state initial = job_state::IN_QUEUE;
};

/// The state of one machine. move_to() is the only way to change it.
template <class State>
class machine {
 public:
  State state() const { return state_; }

  /// Moves along the edge (state(), to, why) and returns where it came from;
  /// errc::illegal_transition, naming machine, both ends and the cause, when the table has no such
  /// edge. Nothing changes then.
  result<State> move_to(State to, cause why) {
    for (const auto& e : machine_traits<State>::edges) {
      if (e.from == state_ && e.to == to && e.why == why) {
        return std::exchange(state_, to);
      }
    }
    return fail(errc::illegal_transition,
                std::string{machine_traits<State>::name} + " " + std::string{to_string(state_)} +
                    " -> " + std::string{to_string(to)} + " (" + std::string{to_string(why)} + ")");
  }

 private:
  State state_ = machine_traits<State>::initial;
};

/// No edge leaves the state: the machine is at its end.
template <class State>
bool is_final(State s) {
  for (const auto& e : machine_traits<State>::edges) {
    if (e.from == s) {
      return false;
    }
  }
  return true;
}

/// The table as a Mermaid state diagram; docs/architecture.md holds its output and a test compares.
template <class State>
std::string to_mermaid();

extern template std::string to_mermaid<pod_state>();
extern template std::string to_mermaid<stop_state>();
extern template std::string to_mermaid<engine_state>();
extern template std::string to_mermaid<ingress_state>();
extern template std::string to_mermaid<job_state>();

} // namespace tayfa
