#include "runtime/config/engine_settings.hpp"

namespace tayfa {

const engine_kind& engine_of(const config& c) {
  const bool with_models = !c.engine_models.empty();
  const auto* const chosen = chosen_engine(c.engine_kind, with_models);
  return chosen == nullptr ? default_engine(with_models) : *chosen;
}

std::vector<foreign_value> budgets_of(const engine_kind& kind) {
  constexpr engine_budgets usual;
  std::vector<foreign_value> out;
  const auto add = [&](std::string key, milliseconds own, milliseconds default_value) {
    if (own != default_value) {
      out.push_back({std::move(key), std::to_string(own.count()) + "ms",
                     "the engine kind " + std::string{kind.name}});
    }
  };
  add("engine.check_budget", kind.budgets.check, usual.check);
  add("engine.hello_timeout", kind.budgets.hello, usual.hello);
  add("engine.load_timeout", kind.budgets.load, usual.load);
  return out;
}

} // namespace tayfa
