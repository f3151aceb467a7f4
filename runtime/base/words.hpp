// Short texts of a configuration, a header or a protocol: blanks, letter case, lists. Pure.
//
// Only ASCII has blanks and case here, in every locale: bytes beyond it are compared as they are,
// and no cut is made inside of a UTF-8 sequence. A NUL is a byte like others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tayfa::text {

inline constexpr std::string_view blanks = " \t\r\n";

/// The text without the characters of `unwanted` at both ends.
std::string_view trimmed(std::string_view, std::string_view unwanted = blanks);

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
std::string lower(std::string_view);

/// Equal but for the case of letters.
bool iequals(std::string_view, std::string_view);
bool istarts_with(std::string_view text, std::string_view front);
bool iends_with(std::string_view text, std::string_view end);

/// The parts between separators, as they are: "a,,b" has three, "" has one, which is empty.
std::vector<std::string_view> split(std::string_view, char separator);

} // namespace tayfa::text
