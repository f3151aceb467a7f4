// Text from outside made fit for one line of a log or a terminal. Pure functions, no owner.
//
// Dangerous characters: C0 and C1 controls and DEL (terminal escapes, forged lines), the line and
// paragraph separators U+2028/9, the bidirectional controls (text that displays differently from
// its content), and bytes that are not UTF-8.
#pragma once

#include "runtime/base/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa::text {

/// One of the characters listed above.
bool is_dangerous(std::uint32_t code_point);

/// True for valid UTF-8 without a dangerous character.
bool is_clean(std::string_view);

/// `abc` as it is when it is printable ASCII without blank, quote, backslash and '='; else in
/// double quotes, where dangerous characters become \n, \t, \r or \uXXXX, bytes that are not UTF-8
/// become \x and two hex digits, and quote and backslash are escaped.
void append_word(std::string& out, std::string_view);

/// append_word after cutting to about `limit` bytes: untrusted text within a message.
std::string quoted(std::string_view, std::size_t limit = 200);

/// The text with dangerous characters escaped as in append_word, but without quotes: for a table
/// cell or a sentence. Cut to about `limit` bytes first.
std::string visible(std::string_view, std::size_t limit = 200);

/// At most `limit` bytes (64 or more): beginning and end, with the number of missing bytes in
/// between. Never splits a valid UTF-8 sequence.
std::string cut_middle(std::string_view, std::size_t limit);

} // namespace tayfa::text
