// The engine kind of each slot of a pod. Slots of different kinds may serve side by side.
#pragma once

#include "messages/engine_kind.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tayfa {

struct slot_engines {
  std::string usual{};                          ///< of every slot that is not named
  std::map<std::uint32_t, std::string> named{}; ///< by slot

  const std::string& of(std::size_t slot) const {
    const auto found = named.find(static_cast<std::uint32_t>(slot));
    return found == named.end() ? usual : found->second;
  }

  /// "torch", or "torch,scripted" where slots have engines of several kinds.
  std::string names() const {
    std::string out;
    for (const auto& kind : kinds()) {
      (out += out.empty() ? "" : ",") += kind.name;
    }
    return out;
  }

  /// Each kind once, the usual one first. Names that no row has are left out.
  std::vector<engine_kind> kinds() const {
    std::vector<engine_kind> out;
    const auto add = [&out](const std::string& name) {
      const auto* const kind = find_engine(name);
      const auto same = [&name](const engine_kind& one) { return one.name == name; };
      if (kind != nullptr && std::none_of(out.begin(), out.end(), same)) {
        out.push_back(*kind);
      }
    };
    add(usual);
    for (const auto& [slot, name] : named) {
      add(name);
    }
    return out;
  }
};

} // namespace tayfa
