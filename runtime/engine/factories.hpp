// How the engine of each kind is made and checked in the engine program: the built-in ones from
// this room, the others from their plugins.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/engine/session.hpp"
#include "runtime/host/probe.hpp"

#include <functional>
#include <optional>
#include <string>

namespace tayfa::engine {

/// What engines are made of, beside the session that is their sink.
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

/// What the kind needs of the machine beyond what every engine needs. No rows: nothing.
fitness_report check_kind(const engine_kind&, const std::string& plugin_folder);

} // namespace tayfa::engine
