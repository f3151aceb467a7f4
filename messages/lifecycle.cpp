#include "messages/lifecycle.hpp"

namespace tayfa {

namespace {

using p = pod_state;
constexpr edge<p> pod_edges[] = {
    {p::CREATED, p::STARTING, cause::start_requested},
    {p::STARTING, p::CONFIGURING, cause::parts_started},
    {p::CONFIGURING, p::LAUNCHING, cause::configured},
    {p::LAUNCHING, p::READY, cause::engines_ready},
    {p::READY, p::RUNNING, cause::jobs_started},
    {p::RUNNING, p::READY, cause::jobs_done},
    // the way out, from everywhere
    {p::CREATED, p::STOPPING, cause::stop_requested},
    {p::STARTING, p::STOPPING, cause::stop_requested},
    {p::STARTING, p::STOPPING, cause::part_failed},
    {p::STARTING, p::STOPPING, cause::state_timeout},
    {p::CONFIGURING, p::STOPPING, cause::stop_requested},
    {p::CONFIGURING, p::STOPPING, cause::part_failed},
    {p::CONFIGURING, p::STOPPING, cause::state_timeout},
    {p::CONFIGURING, p::STOPPING, cause::unfit},
    {p::LAUNCHING, p::STOPPING, cause::stop_requested},
    {p::LAUNCHING, p::STOPPING, cause::part_failed},
    {p::LAUNCHING, p::STOPPING, cause::state_timeout},
    {p::READY, p::STOPPING, cause::stop_requested},
    {p::READY, p::STOPPING, cause::part_failed},
    {p::RUNNING, p::STOPPING, cause::stop_requested},
    {p::RUNNING, p::STOPPING, cause::part_failed},
    {p::STOPPING, p::STOPPED, cause::all_stopped},
    {p::STOPPING, p::STOPPED, cause::deadline},
};

using s = stop_state;
constexpr edge<s> stop_edges[] = {
    // the parts that exist decide where the stop begins
    {s::NOT_STOPPING, s::DRAINING_ORIGIN, cause::stop_requested},
    {s::NOT_STOPPING, s::DRAINING_ORIGIN, cause::part_failed},
    {s::NOT_STOPPING, s::DRAINING_ORIGIN, cause::state_timeout},
    {s::NOT_STOPPING, s::DRAINING_ORIGIN, cause::unfit},
    {s::NOT_STOPPING, s::DRAINING_QUEUE, cause::stop_requested},
    {s::NOT_STOPPING, s::DRAINING_QUEUE, cause::part_failed},
    {s::NOT_STOPPING, s::DRAINING_QUEUE, cause::state_timeout},
    {s::NOT_STOPPING, s::DRAINING_QUEUE, cause::unfit},
    // when the core has failed, no queue is left to drain
    {s::NOT_STOPPING, s::STOPPING_WORKERS, cause::part_failed},
    {s::NOT_STOPPING, s::CLOSING_STORE, cause::stop_requested},
    {s::NOT_STOPPING, s::CLOSING_STORE, cause::part_failed},
    {s::NOT_STOPPING, s::CLOSING_STORE, cause::state_timeout},
    // the drain
    {s::DRAINING_ORIGIN, s::FINISHING_ORIGIN, cause::origin_drained},
    {s::DRAINING_ORIGIN, s::DRAINING_QUEUE, cause::delivered},
    {s::DRAINING_ORIGIN, s::HANDING_BACK, cause::state_timeout},
    {s::DRAINING_ORIGIN, s::STOPPING_WORKERS, cause::part_failed},
    {s::FINISHING_ORIGIN, s::DRAINING_QUEUE, cause::delivered},
    {s::FINISHING_ORIGIN, s::HANDING_BACK, cause::state_timeout},
    {s::FINISHING_ORIGIN, s::STOPPING_WORKERS, cause::part_failed},
    {s::DRAINING_QUEUE, s::DELIVERING, cause::jobs_done},
    {s::DRAINING_QUEUE, s::STOPPING_WORKERS, cause::jobs_done},
    {s::DRAINING_QUEUE, s::HANDING_BACK, cause::state_timeout},
    {s::DRAINING_QUEUE, s::STOPPING_WORKERS, cause::part_failed},
    {s::HANDING_BACK, s::DELIVERING, cause::jobs_done},
    {s::HANDING_BACK, s::STOPPING_WORKERS, cause::jobs_done},
    {s::HANDING_BACK, s::STOPPING_WORKERS, cause::state_timeout},
    {s::HANDING_BACK, s::STOPPING_WORKERS, cause::part_failed},
    {s::DELIVERING, s::STOPPING_WORKERS, cause::delivered},
    {s::DELIVERING, s::STOPPING_WORKERS, cause::state_timeout},
    {s::DELIVERING, s::STOPPING_WORKERS, cause::part_failed},
    // what is left, in order
    {s::STOPPING_WORKERS, s::STOPPING_CORE, cause::all_stopped},
    {s::STOPPING_CORE, s::CLOSING_PORT, cause::all_stopped},
    {s::CLOSING_PORT, s::CLOSING_STORE, cause::closed},
    {s::CLOSING_STORE, s::DONE, cause::closed},
    // by force: a second request, or the budget of STOPPING is over
    {s::DRAINING_ORIGIN, s::KILLING, cause::stop_requested},
    {s::DRAINING_ORIGIN, s::KILLING, cause::deadline},
    {s::FINISHING_ORIGIN, s::KILLING, cause::stop_requested},
    {s::FINISHING_ORIGIN, s::KILLING, cause::deadline},
    {s::DRAINING_QUEUE, s::KILLING, cause::stop_requested},
    {s::DRAINING_QUEUE, s::KILLING, cause::deadline},
    {s::HANDING_BACK, s::KILLING, cause::stop_requested},
    {s::HANDING_BACK, s::KILLING, cause::deadline},
    {s::DELIVERING, s::KILLING, cause::stop_requested},
    {s::DELIVERING, s::KILLING, cause::deadline},
    {s::STOPPING_WORKERS, s::KILLING, cause::stop_requested},
    {s::STOPPING_WORKERS, s::KILLING, cause::deadline},
    {s::STOPPING_CORE, s::KILLING, cause::stop_requested},
    {s::STOPPING_CORE, s::KILLING, cause::deadline},
    {s::KILLING, s::CLOSING_PORT, cause::all_stopped},
};

using e = engine_state;
constexpr edge<e> engine_edges[] = {
    {e::NOT_STARTED, e::INITIALIZING, cause::spawned},
    {e::INITIALIZING, e::LOADING_MODEL, cause::said_hello},
    {e::LOADING_MODEL, e::READY, cause::warmed_up},
    {e::READY, e::PROCESSING, cause::jobs_started},
    {e::PROCESSING, e::READY, cause::jobs_done},
    // the way out, from everywhere
    {e::NOT_STARTED, e::SHUTDOWN, cause::stop_requested},
    {e::NOT_STARTED, e::SHUTDOWN, cause::crashed},
    {e::NOT_STARTED, e::SHUTDOWN, cause::state_timeout},
    {e::INITIALIZING, e::SHUTDOWN, cause::stop_requested},
    {e::INITIALIZING, e::SHUTDOWN, cause::crashed},
    {e::INITIALIZING, e::SHUTDOWN, cause::state_timeout},
    {e::INITIALIZING, e::SHUTDOWN, cause::spoke_nonsense},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::stop_requested},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::crashed},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::state_timeout},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::hung},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::spoke_nonsense},
    {e::LOADING_MODEL, e::SHUTDOWN, cause::load_failed},
    {e::READY, e::SHUTDOWN, cause::stop_requested},
    {e::READY, e::SHUTDOWN, cause::crashed},
    {e::READY, e::SHUTDOWN, cause::hung},
    {e::READY, e::SHUTDOWN, cause::spoke_nonsense},
    {e::PROCESSING, e::SHUTDOWN, cause::stop_requested},
    {e::PROCESSING, e::SHUTDOWN, cause::crashed},
    {e::PROCESSING, e::SHUTDOWN, cause::hung},
    {e::PROCESSING, e::SHUTDOWN, cause::spoke_nonsense},
};

using i = ingress_state;
constexpr edge<i> ingress_edges[] = {
    {i::NOT_STARTED, i::WAITING, cause::start_requested},
    {i::WAITING, i::READY, cause::pod_ready},
    {i::READY, i::PROCESSING, cause::jobs_started},
    {i::PROCESSING, i::READY, cause::jobs_done},
    {i::NOT_STARTED, i::SHUTDOWN, cause::stop_requested},
    {i::WAITING, i::SHUTDOWN, cause::stop_requested},
    {i::READY, i::SHUTDOWN, cause::stop_requested},
    {i::PROCESSING, i::SHUTDOWN, cause::stop_requested},
};

using j = job_state;
constexpr edge<j> job_edges[] = {
    {j::IN_QUEUE, j::IN_PROGRESS, cause::assigned},
    {j::IN_PROGRESS, j::IN_QUEUE, cause::attempt_lost},
    {j::IN_PROGRESS, j::COMPLETED, cause::finished},
    {j::IN_PROGRESS, j::FAILED, cause::job_error},
    {j::IN_PROGRESS, j::FAILED, cause::attempts_exhausted},
    {j::IN_PROGRESS, j::FAILED, cause::poisoned},
    {j::IN_QUEUE, j::FAILED, cause::load_failed},
    {j::IN_QUEUE, j::FAILED, cause::stop_requested},
    {j::IN_PROGRESS, j::FAILED, cause::stop_requested},
    {j::IN_QUEUE, j::CANCELLED, cause::cancel_requested},
    {j::IN_PROGRESS, j::CANCELLED, cause::cancel_requested},
    {j::IN_PROGRESS, j::TIMED_OUT, cause::execution_timeout},
    {j::IN_QUEUE, j::TIMED_OUT, cause::ttl_expired},
    {j::IN_PROGRESS, j::TIMED_OUT, cause::ttl_expired},
};

} // namespace

const std::span<const edge<pod_state>> machine_traits<pod_state>::edges{pod_edges};
const std::span<const edge<stop_state>> machine_traits<stop_state>::edges{stop_edges};
const std::span<const edge<engine_state>> machine_traits<engine_state>::edges{engine_edges};
const std::span<const edge<ingress_state>> machine_traits<ingress_state>::edges{ingress_edges};
const std::span<const edge<job_state>> machine_traits<job_state>::edges{job_edges};

#define TAYFA_X(name)                                                                              \
  case state::name: return #name;
#define TAYFA_STATE_NAMES(type, list)                                                              \
  std::string_view to_string(type s) {                                                             \
    using state = type;                                                                            \
    switch (s) { list(TAYFA_X) }                                                                   \
    return "?";                                                                                    \
  }
TAYFA_STATE_NAMES(pod_state, TAYFA_POD_STATES)
TAYFA_STATE_NAMES(stop_state, TAYFA_STOP_STATES)
TAYFA_STATE_NAMES(engine_state, TAYFA_ENGINE_STATES)
TAYFA_STATE_NAMES(ingress_state, TAYFA_INGRESS_STATES)
TAYFA_STATE_NAMES(job_state, TAYFA_JOB_STATES)
TAYFA_STATE_NAMES(cause, TAYFA_CAUSES)
#undef TAYFA_STATE_NAMES
#undef TAYFA_X

template <class State>
std::string to_mermaid() {
  using traits = machine_traits<State>;
  std::string out =
      "stateDiagram-v2\n    [*] --> " + std::string{to_string(traits::initial)} + "\n";
  for (const auto& x : traits::edges) {
    out += "    " + std::string{to_string(x.from)} + " --> " + std::string{to_string(x.to)} +
           " : " + std::string{to_string(x.why)} + "\n";
  }
  for (const auto s : traits::states) {
    if (is_final(s)) {
      out += "    " + std::string{to_string(s)} + " --> [*]\n";
    }
  }
  return out;
}

template std::string to_mermaid<pod_state>();
template std::string to_mermaid<stop_state>();
template std::string to_mermaid<engine_state>();
template std::string to_mermaid<ingress_state>();
template std::string to_mermaid<job_state>();

} // namespace tayfa
