// "Did you mean …": the nearest name of a list. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
std::size_t edit_distance(std::string_view, std::string_view);

/// The name nearest to `wrong`; empty when none is near enough (about one edit in three
/// characters). The first of equals wins.
std::string_view nearest(std::string_view wrong, std::span<const std::string_view> names);

/// "; did you mean X?" or empty.
std::string suggestion(std::string_view wrong, std::span<const std::string_view> names);

} // namespace tayfa
