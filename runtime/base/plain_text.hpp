// Encoding of text from outside: UTF-8, with or without the byte order mark that Windows programs
// write. Every reader of text (configuration, keys, manifests, jobs) goes through here first. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::text {

inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// The text without a leading byte order mark.
std::string_view without_mark(std::string_view);

/// Names the encoding of text that is not UTF-8: "it is UTF-16; save it as UTF-8". Detected by the
/// byte order mark, or by NULs between the first characters, which no valid text has. Empty
/// otherwise.
std::optional<std::string> why_not_utf8(std::string_view);

} // namespace tayfa::text
