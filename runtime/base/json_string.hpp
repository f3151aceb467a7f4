// The one writer of JSON strings: answers, log lines, outputs and configuration use it. Pure.
//
// Invariant: the outcome is one valid JSON string, whatever the bytes were.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa::text {

enum class json_escapes : std::uint8_t {
  needed,    ///< quote, backslash, C0 and DEL; every other character goes out as it is
  dangerous, ///< besides, what is_dangerous() of runtime/base/text.hpp names: for logs and terminals
  non_ascii, ///< besides, everything beyond ASCII, as Python's json.dumps does
};

/// Appends the text with its quotes. A byte that is not UTF-8 becomes U+FFFD: the character itself,
/// or its escape where more than the needed is escaped.
void append_json_string(std::string& out, std::string_view, json_escapes = json_escapes::needed);

/// Appends the escape of one character: \" \\ \n \r \t, else \u and four digits; above U+FFFF
/// the two of its surrogate pair.
void append_json_escape(std::string& out, std::uint32_t code_point);

} // namespace tayfa::text
