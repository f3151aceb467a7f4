// Base64 (RFC 4648 section 4), strict: the standard alphabet, padding where it belongs, nothing
// else. One text has one meaning and one meaning has one text, so what was decoded encodes back to
// the same text.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

std::string base64_encode(std::span<const std::byte> bytes);

/// Appends to `out`; for large outputs that are built in place.
void base64_append(std::string& out, std::span<const std::byte> bytes);

/// The bytes, or nothing when the text is no strict Base64.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

/// How many bytes a text of this length decodes to at most; for checks before anything is
/// allocated.
constexpr std::size_t base64_decoded_max(std::size_t text_length) {
  return text_length / 4 * 3;
}

} // namespace tayfa
