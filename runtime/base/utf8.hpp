// UTF-8, byte by byte: characters, validity, and cuts that split no character. Pure functions.
//
// Every function takes any bytes. What RFC 3629 does not allow (overlong forms, surrogates, values
// above U+10FFFF, a sequence that is cut short) is not UTF-8; each such byte stands alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa::text {

/// The first code point of a text. `length` is 1 and `valid` false when its first byte begins no
/// UTF-8 sequence.
struct code_point {
  std::uint32_t value = 0;
  std::size_t length = 0;
  bool valid = false;
};
code_point first_code_point(std::string_view); ///< of a text that is not empty

/// A byte that goes on a character and begins none.
constexpr bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

bool is_utf8(std::string_view);

/// The longest front of the text that has at most `most` bytes and ends between two characters. In
/// a run of continuation bytes that is no UTF-8 it may end anywhere.
std::string_view utf8_prefix(std::string_view text, std::size_t most);

/// Appends the bytes of a code point up to U+10FFFF. A surrogate becomes three bytes that are not
/// UTF-8.
void append_utf8(std::string& out, std::uint32_t code_point);

} // namespace tayfa::text
