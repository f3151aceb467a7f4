// The parts of the list of scenarios, by what they are about.
#pragma once

#include "actors/sim/simulation.hpp"

#include <vector>

namespace tayfa::sim {

void add_crashes(std::vector<scenario>&);
void add_disk_faults(std::vector<scenario>&);
void add_held(std::vector<scenario>&);
void add_models(std::vector<scenario>&);
void add_policies(std::vector<scenario>&);
void add_pauses(std::vector<scenario>&);
void add_slots(std::vector<scenario>&);
void add_stops(std::vector<scenario>&);
void add_platform(std::vector<scenario>&);
void add_remote(std::vector<scenario>&);
void add_openai(std::vector<scenario>&);

} // namespace tayfa::sim
