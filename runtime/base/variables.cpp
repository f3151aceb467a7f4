#include "runtime/base/variables.hpp"

#include "runtime/base/words.hpp"

namespace tayfa {

std::optional<std::string_view> value_in(std::string_view entry, std::string_view name) {
  const bool named =
      entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=';
  return named ? std::optional{entry.substr(name.size() + 1)} : std::nullopt;
}

std::optional<std::string_view> find_variable(std::span<const std::string> environment,
                                              std::string_view name) {
  for (const std::string_view entry : environment) {
    if (const auto value = value_in(entry, name)) {
      return value;
    }
  }
  return std::nullopt;
}

std::string_view variable_or_empty(std::span<const std::string> environment,
                                   std::string_view name) {
  return text::trimmed(find_variable(environment, name).value_or(std::string_view{}));
}

} // namespace tayfa
