// Text files and texts from outside as people have them: UTF-8, with or without the byte order mark
// that Windows' programs write before it. Everything that reads a text goes through here first:
// configuration, keys, manifests, jobs. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::text {

inline constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// The text without a byte order mark at its front.
std::string_view without_mark(std::string_view);

/// Why this cannot be a text for us, by name: "it is UTF-16; save it as UTF-8". Told by its mark,
/// or by the NULs between the first characters, which no text of ours has. Nothing for all else.
std::optional<std::string> why_not_utf8(std::string_view);

} // namespace tayfa::text
