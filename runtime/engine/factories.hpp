// How the engine of each kind is made and checked in the engine program: the built-in ones from
// this room, the others from their plugins.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/engine/session.hpp"
#include "runtime/machine/probe.hpp"

#include <functional>
#include <optional>
#include <string>

namespace tayfa::engine {

/// The inputs of an engine's factory, besides the session that is its sink.
struct engine_surroundings {
  worker_ref worker;
  std::string plugin_folder;
  /// A variable of the environment; nothing when it is not set.
  std::function<std::optional<std::string>(const char* name)> variable;
  const time_source& time; ///< outlives the engine
};

/// Also sets those options of the session that are the kind's own. errc::bad_config: a variable of
/// the kind is not valid; its text names it.
result<engine_factory> factory_of(const engine_kind&, const engine_surroundings&, session_options&);

/// The machine checks of the kind, in addition to the common ones. Without rows it needs nothing.
fitness_report check_kind(const engine_kind&, const std::string& plugin_folder);

} // namespace tayfa::engine
