// Engine plugins: libraries beside the engine program that bring an engine. One is opened only when
// its kind is asked for (libtorch costs 0.35 s and 170 MB), and never closed: libtorch does not
// survive being unloaded.
#pragma once

#include "messages/engine_kind.hpp"
#include "messages/error.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/engine/session.hpp"
#include "runtime/machine/probe.hpp"

#include <string>

namespace tayfa::engine {

/// An open plugin: what it makes. One of the two makers is not null.
struct plugin {
  make_engine_fn make_engine = nullptr;
  make_blocking_model_fn make_model = nullptr;
  check_machine_fn check = nullptr; ///< null: it has none
};

/// Opens the kind's library in `folder`. The error has the code kind.plugin.absent and says why the
/// library cannot be used: it is not there, cannot be opened, has no entry point, or was built for
/// another version.
result<plugin> open_plugin(const engine_kind&, const std::string& folder);

/// Makes the plugin's engine. Without a usable plugin: an engine on the device "none" whose loads
/// answer kind.plugin.absent and why, so that the runtime gets the reason over the protocol and not
/// from an exit code. The clock outlives the factory.
engine_factory plugin_factory(const engine_kind&, const std::string& folder, const time_source&);

/// The plugin's own check. Without a usable plugin, or when its report is not valid: one unfit row
/// called kind.plugin.built_on.
fitness_report check_plugin(const engine_kind&, const std::string& folder);

} // namespace tayfa::engine
