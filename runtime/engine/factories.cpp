#include "runtime/engine/factories.hpp"

#include "runtime/engine/plugin.hpp"
#include "runtime/engine/scripted.hpp"

#include <algorithm>
#include <iterator>
#include <memory>

namespace tayfa::engine {

namespace {

using make_factory = result<engine_factory> (*)(const engine_surroundings&, session_options&);
using check_function = fitness_report (*)();

/// An engine that is built into the engine program.
struct built_in_engine {
  std::string_view kind;
  make_factory make;
  check_function check;
};

result<engine_factory> make_scripted(const engine_surroundings& around, session_options& session) {
  constexpr const char* name = "TAYFA_SCRIPTED";
  const auto script = around.variable(name);
  const auto behavior = parse_behavior(script ? *script : std::string{});
  if (!behavior) {
    return fail(errc::bad_config, std::string{name} + ": " + behavior.error().str());
  }
  scripted_options options;
  options.behavior =
      behavior->for_slot(around.worker.slot).for_incarnation(around.worker.incarnation);
  add_faults(options.behavior, session);
  return [&time = around.time, options](sink& out) {
    return std::make_unique<scripted_engine>(out, time, options);
  };
}

fitness_report needs_nothing_more() {
  return {};
}

constexpr built_in_engine built_in[] = {
    {engine_rows::scripted.name, make_scripted, needs_nothing_more},
};

constexpr const built_in_engine* find_built_in(std::string_view kind) {
  const auto found = std::find_if(std::begin(built_in), std::end(built_in),
                                  [&](const auto& row) { return row.kind == kind; });
  return found == std::end(built_in) ? nullptr : found;
}

/// Each kind has one factory: a row above, or its plugin.
constexpr bool factories_fit() {
  const auto fits = [](const engine_kind& kind) {
    return kind.built_in() == (find_built_in(kind.name) != nullptr);
  };
  const auto wanted = std::count_if(engine_kinds.begin(), engine_kinds.end(),
                                    [](const engine_kind& kind) { return kind.built_in(); });
  return std::all_of(engine_kinds.begin(), engine_kinds.end(), fits) &&
         wanted == std::ssize(built_in);
}
static_assert(factories_fit(), "every built-in kind of messages/engine_kind.hpp needs a row here");

} // namespace

result<engine_factory> factory_of(const engine_kind& kind, const engine_surroundings& around,
                                  session_options& session) {
  const auto* const row = find_built_in(kind.name);
  return row != nullptr ? row->make(around, session)
                        : plugin_factory(kind, around.plugin_folder, around.time);
}

fitness_report check_kind(const engine_kind& kind, const std::string& plugin_folder) {
  const auto* const row = find_built_in(kind.name);
  return row != nullptr ? row->check() : check_plugin(kind, plugin_folder);
}

} // namespace tayfa::engine
