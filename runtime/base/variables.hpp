// Variables of an environment that is given as a list of "NAME=value". Pure; nothing here asks the
// process for its own.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// The value in one entry; nothing when the entry is of another name or has no =.
std::optional<std::string_view> value_in(std::string_view entry, std::string_view name);

/// As getenv: of two entries with one name the first counts, and a value may be empty.
std::optional<std::string_view> find_variable(std::span<const std::string> environment,
                                              std::string_view name);

/// The value without blanks around it: a newline that a secret's file left at the end is not part
/// of it. Empty when the variable is not there.
std::string_view variable_or_empty(std::span<const std::string> environment, std::string_view name);

} // namespace tayfa
