// Columns of text for a terminal. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tayfa::text {

/// How many columns a clean text takes, one per code point.
std::size_t columns(std::string_view);

/// Every cell but the last of a row padded to its column's widest, two blanks between, no blank at
/// a line's end. Rows may differ in length. Each line ends with a newline.
std::string table(const std::vector<std::vector<std::string>>& rows);

} // namespace tayfa::text
