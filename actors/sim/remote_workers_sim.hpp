// Remote workers in the simulation: programs built on RunPod's SDK, each an actor with its loops
// (take, stop, ping, handlers, posts), that pull jobs from the pod through the API's own parser and
// do what the jobs' scripts say.
//
// They live outside of the pod's process and outlive it. The faults between them and the pod, and
// what befalls them, is drawn from the seed. They know nothing of the pod's inside: what they do
// wrong (a result that comes late, twice, or not at all) is what real ones do wrong.
#pragma once

#include "actors/sim/sim_world.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tayfa::sim {

struct remote_options {
  std::uint32_t workers = 3;
  std::uint32_t concurrency_max = 3;
  /// Nothing goes wrong, so no attempt may be given out in vain: every job comes once.
  bool calm = false;
  /// No job that a worker has begun may be begun again, and a worker posts until it is answered.
  bool once = false;
  // Shares of what happens, 0 to 1.
  double unsent = 0;     ///< answers to polls that do not leave, and the pod knows
  double lost = 0;       ///< answers that are lost, and the pod does not know
  double left_polls = 0; ///< polls whose client goes away after a while
  double lost_posts = 0; ///< results that never reach the pod
  double twice = 0;      ///< results that are posted twice
  double lost_pings = 0;
  double missed_stops = 0; ///< stops that a worker receives and does not obey
  // At each ping:
  double dies = 0;    ///< SIGKILL; another process of its name starts a little later
  double freezes = 0; ///< it does nothing for up to a minute, then goes on as if nothing were
  double unfit = 0;   ///< it reports itself unhealthy and ends
};

/// Violations seen by the workers, as text.
using remote_faults = std::vector<std::string>;

/// Spawns them; they go on until they are killed.
std::vector<caf::actor> spawn_remote_workers(caf::actor_system&, sim_gateway&, random_source&,
                                             const remote_options&, std::shared_ptr<remote_faults>);

} // namespace tayfa::sim
