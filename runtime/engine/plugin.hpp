// The torch plugin, opened on demand (libtorch costs 0.35 s and 170 MB) from the executable's
// folder.
#pragma once

#include "messages/error.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/host/probe.hpp"

#include <memory>
#include <string>

namespace tayfa::engine {

/// The plugin's model. Without a usable plugin: a model on the device "none" whose load answers
/// no_torch with the reason, so that the runtime receives it over the protocol instead of an exit
/// code.
std::unique_ptr<blocking_model> open_torch_model();

/// The plugin's own check. Without a usable plugin, or when its output is malformed: one unfit row
/// "libtorch".
fitness_report check_torch();

} // namespace tayfa::engine
