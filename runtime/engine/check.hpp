// `tayfa-engine --check`: the machine checks common to all engines, and those of the torch engine.
#pragma once

#include "runtime/host/probe.hpp"

#include <string>

namespace tayfa::engine {

fitness_report check_machine(const std::string& engine);

} // namespace tayfa::engine
