// Text from outside made fit for one line of a log or a terminal. Pure functions, no owner.
//
// Dangerous here: C0 and C1 control characters and DEL (terminal escapes, forged lines), line and
// paragraph separators U+2028/9 and the bidirectional controls (text that reads otherwise than it
// is), and bytes that are not UTF-8.
#pragma once

#include "runtime/base/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa::text {

/// One of the characters listed above.
bool is_dangerous(std::uint32_t code_point);

/// Valid UTF-8 without a dangerous character.
bool is_clean(std::string_view);

/// `abc` as it is when it is printable ASCII without blank, quote, backslash and '='; else in
/// double quotes, where dangerous characters become \n, \t, \r or \uXXXX, bytes that are not UTF-8
/// become \x and two hex digits, and quote and backslash are escaped.
void append_word(std::string& out, std::string_view);

/// append_word, cut to about `limit` bytes first: untrusted text for the middle of a message.
std::string quoted(std::string_view, std::size_t limit = 200);

/// The text with dangerous characters escaped as append_word does, without quotes: for a table's
/// cell or a sentence. Cut to about `limit` bytes first.
std::string visible(std::string_view, std::size_t limit = 200);

/// At most `limit` bytes (64 or more): beginning and end, and in between how many bytes are
/// missing. Never splits a valid UTF-8 sequence.
std::string cut_middle(std::string_view, std::size_t limit);

} // namespace tayfa::text
