// The simulated clients: they submit jobs over the API's own parser, wait, poll, stream, cancel,
// and remember every answer. The history is checked against the promises afterwards
// (simulation.cpp).
#pragma once

#include "actors/sim/held_question.hpp"
#include "actors/sim/sim_world.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tayfa::sim {

/// How often each kind of job is drawn; 0 = never.
struct job_mix {
  unsigned echo = 10, slow = 4, error = 2, progress = 2, stream = 2, crash = 0, hang = 0,
           garbage = 0, oom = 0, refresh = 0, cancelled = 1, short_lived = 0;
};

struct workload_options {
  std::uint32_t jobs = 20;
  std::chrono::milliseconds gap_max{800}; ///< between two submissions
  job_mix mix;
  std::vector<std::string> models;  ///< drawn from; empty = jobs name none
  std::vector<std::string> tenants; ///< likewise
  /// A submission that was not answered with 200 is sent again, under its idempotency key.
  bool persistent = false;
  double lost_answers = 0.1; ///< of those with chunks: lost on their way, and the pod knows
  std::size_t padding = 0;   ///< bytes that each input is larger
  bool webhooks = false;     ///< each job has one: it answers, fails, or does so by turns
  /// Callers with other tenants and endpoints ask for every job by its id, and try to end it.
  bool strangers = false;
  /// Clients ask as RunPod's JavaScript and Go clients do: they have the pod hold its answers, and
  /// ask again without a pause. Some leave while they wait.
  bool held = false;
  bool purged = false; ///< a client purges the queue: each job may end CANCELLED
  held_question::surroundings held_where{};
};

/// A job as its client saw it.
struct job_history {
  std::string kind;
  std::string model;                ///< that it names; empty = none
  std::string expected_output;      ///< JSON; empty = none is expected
  std::vector<std::string> allowed; ///< final states that are right without faults of the pod
  std::string accepted_id;          ///< empty until POST answered 200 with an id
  bool refused = false;             ///< an error answer to POST: nothing may come of it
  bool cancel_acknowledged = false;
  bool cancel_refused = false; ///< as the disk was full: it must not happen later
  bool lost = false;           ///< accepted, and later unknown to the pod (I1)
  std::string webhook;         ///< its URL; empty = none
  bool settled = false;        ///< its client wants nothing more
  std::string final_state;
  std::string final_body;
  std::vector<std::string> later_bodies;   ///< the same question asked again after the end
  std::vector<std::string> chunks;         ///< answers to /stream
  bool drained = false;                    ///< the last of them had no chunk, after the end
  std::vector<std::string> leaked_answers; ///< answers to strangers that were not "no such job"
  std::vector<std::string> badly_held;     ///< answers that were held against the rules
  std::uint32_t held_answers = 0;
};

using history = std::vector<job_history>;

/// Spawns the clients. They stop by themselves when every accepted job has ended and has been asked
/// for twice, and then call `done`.
caf::actor spawn_workload(caf::actor_system&, sim_gateway&, random_source&, workload_options,
                          std::shared_ptr<history>, std::function<void()> done);

} // namespace tayfa::sim
