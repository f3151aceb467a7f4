// A head and its pods on one thread, in virtual time, from one seed: the actors of production, each
// process with its own world, over a simulated network. Clients call the head's API; heads and pods
// are killed and started again, their connections cut, and their paths pass nothing for a while.
//
// After the run the clients' history is held against the promises: every accepted job has ended, as
// it should and once (what was answered never changes); no pod keeps a result for ever; no pod
// breaks a rule of the protocol; no actor fails.
#pragma once

#include "actors/sim/simulation.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa::sim {

struct fleet_scenario {
  std::string name;
  std::string text; ///< one line for people
  std::uint32_t pods = 2;
  std::uint32_t slots = 2;      ///< of each pod
  std::uint32_t head_slots = 0; ///< of the head itself
  workload_options work;
  // Faults, each at a moment that the seed draws from the first `faults_within`.
  std::uint32_t head_kills = 0;
  std::uint32_t pod_kills = 0;
  std::uint32_t cuts = 0;
  std::uint32_t losses = 0; ///< a path passes nothing, one way or both ways
  // Operators' calls of the head's API, likewise; each is undone after a while.
  std::uint32_t drains = 0;
  std::uint32_t revokes = 0;
  std::chrono::milliseconds faults_within{14'000}; ///< the clients have work for longer
  std::chrono::milliseconds loss_max{90'000};
  std::vector<std::string> events; ///< that the log must name
  bool runs_once = false;          ///< the faults repeat no attempt: each job is given once
};

outcome simulate_fleet(const fleet_scenario&, std::uint64_t seed);

/// Every scenario that ships.
const std::vector<fleet_scenario>& fleet_scenarios();

} // namespace tayfa::sim
