// The torch plugin, opened only when it is asked for (libtorch costs 0.35 s and 170 MB), from
// beside the executable.
#pragma once

#include "messages/error.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/host/probe.hpp"

#include <memory>
#include <string>

namespace tayfa::engine {

/// The plugin's model. Without a usable plugin: a model on the device "none" whose load answers
/// no_torch and why, so that the runtime hears the reason over the protocol and not from an exit
/// code.
std::unique_ptr<blocking_model> open_torch_model();

/// The plugin's own check. Without a usable plugin, or when it talks nonsense: one unfit row
/// "libtorch".
fitness_report check_torch();

} // namespace tayfa::engine
