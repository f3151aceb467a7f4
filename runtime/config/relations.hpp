// Rules between knobs that no single row can state. One table: checks, their texts and docs derive
// from it.
#pragma once

#include "runtime/config/config.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

struct relation {
  std::string_view rule;              ///< "pod.drain_budget must be below pod.stopping_budget"
  std::vector<std::string_view> keys; ///< the knobs it concerns
  bool (*holds)(const config&);
};

std::span<const relation> relations();

/// The rule with the values of its knobs. `from` gives the source of a key's value; it may be
/// empty.
std::string describe_broken(const relation&, const config&,
                            const std::function<std::string(std::string_view key)>& from = {});

} // namespace tayfa
