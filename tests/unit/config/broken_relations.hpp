// The relations between knobs that a configuration breaks.
#pragma once

#include "runtime/config/relations.hpp"

#include <string>
#include <vector>

namespace tayfa {

inline std::vector<std::string> broken_relations(const config& c) {
  std::vector<std::string> out;
  for (const auto& r : relations()) {
    if (!r.holds(c)) {
      out.push_back(describe_broken(r, c));
    }
  }
  return out;
}

} // namespace tayfa
