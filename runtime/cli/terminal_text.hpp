// Makes foreign text safe for a terminal: no control sequences, and a known width. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

/// Converts to a single line: bytes that control a terminal (control characters, C1 and
/// bidirectional controls, invalid UTF-8) become '?', line ends and tabs a blank.
std::string clean_line(std::string_view);
/// As clean_line, but newlines and tabs stay.
std::string printable(std::string_view);
/// Equivalent JSON text without characters that control a terminal.
std::string clean_json(std::string_view json_text);

/// Width of clean text in columns: wide characters take two, combining ones none.
std::size_t columns_of(std::string_view);
/// Clean text cut to `width` columns; a cut is marked by a final "…".
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
