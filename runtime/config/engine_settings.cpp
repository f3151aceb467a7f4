#include "runtime/config/engine_settings.hpp"

#include "runtime/config/slot_kinds.hpp"

namespace tayfa {

const engine_kind& engine_of(const config& c) {
  const bool with_models = !c.engine_models.empty();
  const auto* const chosen = chosen_engine(c.engine_kind, with_models);
  return chosen == nullptr ? default_engine(with_models) : *chosen;
}

slot_engines engines_of(const config& c) {
  slot_engines out{std::string{engine_of(c).name}};
  for (const auto& item : c.engine_slot_kinds.items()) {
    const auto named = parse_slot_kind(item); // it has passed its check
    for (auto slot = named ? named->first : 1; named && slot <= named->last; ++slot) {
      out.named[slot] = named->kind;
    }
  }
  return out;
}

std::vector<foreign_value> budgets_of(std::span<const engine_kind> kinds) {
  std::vector<foreign_value> out;
  const auto add = [&](std::string key, milliseconds engine_budgets::*budget) {
    const auto slowest = std::max_element(kinds.begin(), kinds.end(), [&](auto& a, auto& b) {
      return a.budgets.*budget < b.budgets.*budget;
    });
    if (slowest != kinds.end() && slowest->budgets.*budget != engine_budgets{}.*budget) {
      out.push_back({std::move(key), std::to_string((slowest->budgets.*budget).count()) + "ms",
                     "the engine kind " + std::string{slowest->name}});
    }
  };
  add("engine.check_budget", &engine_budgets::check);
  add("engine.hello_timeout", &engine_budgets::hello);
  add("engine.load_timeout", &engine_budgets::load);
  return out;
}

} // namespace tayfa
