// "Did you mean …": the nearest name of a list. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) from one
/// to the other.
std::size_t edit_distance(std::string_view, std::string_view);

/// The name nearest to `wrong`, or nothing when none is near enough to be what was meant: about one
/// edit in three characters. The first of equals.
std::string_view nearest(std::string_view wrong, std::span<const std::string_view> names);

/// "; did you mean X?" or nothing.
std::string suggestion(std::string_view wrong, std::span<const std::string_view> names);

} // namespace tayfa
