// Columns of text for a terminal. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tayfa::text {

/// Width of clean text in columns, one per code point.
std::size_t columns(std::string_view);

/// Pads every cell but a row's last to its column's width, with two blanks between columns and none
/// at a line's end. Rows may differ in length. Each line ends with a newline.
std::string table(const std::vector<std::vector<std::string>>& rows);

} // namespace tayfa::text
