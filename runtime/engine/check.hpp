// `tayfa-engine --check`: what every engine needs of the machine, and what one kind needs beyond
// it.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/machine/probe.hpp"

#include <string>

namespace tayfa::engine {

fitness_report check_machine(const engine_kind&, const std::string& plugin_folder);

} // namespace tayfa::engine
