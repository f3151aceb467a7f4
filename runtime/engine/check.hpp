// `tayfa-engine --check`: what every engine needs of the machine, and what the torch engine needs
// beyond it.
#pragma once

#include "runtime/host/probe.hpp"

#include <string>

namespace tayfa::engine {

fitness_report check_machine(const std::string& engine);

} // namespace tayfa::engine
