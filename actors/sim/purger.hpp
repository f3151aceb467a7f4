// A client of the simulation that purges the queue again and again.
//
// It lives outside of the pod's process. What always holds for it: an answer that names a number of
// cancelled jobs names those that are cancelled, also when the disk cut the purge short. Where
// nothing else cancels jobs, the check compares the sum with the jobs that ended CANCELLED.
#pragma once

#include "actors/sim/sim_world.hpp"

#include <memory>

namespace tayfa::sim {

struct purger_options {
  std::uint32_t calls = 0;
  std::chrono::milliseconds first_after{0};
  std::chrono::milliseconds gap_max{500}; ///< between an answer and the next call
};

struct purge_history {
  std::uint32_t asked = 0;
  std::uint32_t answered = 0;
  std::uint32_t cut_short = 0; ///< the answer was an error
  std::size_t removed = 0;     ///< jobs, in all answers together
};

caf::actor spawn_purger(caf::actor_system&, sim_gateway&, random_source&, purger_options,
                        std::shared_ptr<purge_history>);

} // namespace tayfa::sim
