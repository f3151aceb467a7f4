// Clients of OpenAI's API in the simulation: each makes one call after the other, streamed or not,
// through the API's own parser, reads as fast or as slowly as the seed says, and sometimes leaves.
//
// They live outside of the pod's process. What always holds for them, and is a fault where it does
// not: an answer is either all of what the job makes, in order and once, or says that it is an
// error; a stream ends; no call is older than its job may be.
#pragma once

#include "actors/sim/sim_world.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tayfa::sim {

struct reader_options {
  std::uint32_t readers = 4;
  double leaves = 0;  ///< share of calls whose client goes before their end
  double slow = 0;    ///< share of streams that are read slowly
  bool quiet = false; ///< nothing goes wrong: no error is expected while the pod serves
};

/// Findings of the readers that must never be, in words.
using reader_faults = std::vector<std::string>;

/// Spawns them; they go on until they are killed.
std::vector<caf::actor> spawn_openai_readers(caf::actor_system&, sim_gateway&, random_source&,
                                             const reader_options&, std::shared_ptr<reader_faults>);

} // namespace tayfa::sim
