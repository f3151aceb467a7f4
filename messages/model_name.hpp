// Names that a model may have, in a manifest and in a job.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace tayfa {

inline constexpr std::size_t model_name_max = 64;
inline constexpr std::string_view model_name_rule =
    "1 to 64 characters of [A-Za-z0-9._-], in parts with one / between them";

/// As the rule says: "sentence-transformers/all-MiniLM-L6-v2". Never used as a path.
inline bool is_model_name(std::string_view name) {
  if (name.empty() || name.size() > model_name_max) {
    return false;
  }
  for (;;) {
    const auto slash = name.find('/');
    const auto part = name.substr(0, slash);
    const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '_' || c == '-';
    });
    if (part.empty() || !plain) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    name.remove_prefix(slash + 1);
  }
}

} // namespace tayfa
