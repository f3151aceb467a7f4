// Text from elsewhere made fit for a terminal: nothing in it is obeyed, and its width is known.
// Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

/// One line: what a terminal would obey (control characters, C1 and bidirectional controls, bytes
/// that are not UTF-8) becomes '?', line ends and tabs a blank.
std::string clean_line(std::string_view);
/// The same, but newlines and tabs stay.
std::string printable(std::string_view);
/// JSON text that means the same and holds nothing that a terminal would obey.
std::string clean_json(std::string_view json_text);

/// The columns that clean text takes: wide characters take two, combining ones none.
std::size_t columns_of(std::string_view);
/// Clean text of at most `width` columns; where something was cut it ends with "…".
std::string cut_to(std::string_view, std::size_t width);
/// Cut or padded to exactly `width` columns.
std::string fit_to(std::string_view, std::size_t width, bool right = false);

/// "40 ms", "3.4 s", "2m 05s", "3h 12m", "2d 04h".
std::string duration_text(std::chrono::milliseconds);
/// "812 B", "1.5 KiB", "20 MiB".
std::string bytes_text(std::uint64_t);
/// "inProgress" -> "in progress". Clean.
std::string words_of(std::string_view name);

} // namespace tayfa
