// Base64 (RFC 4648). What is written is strict (section 4): the standard alphabet, padding where it
// belongs, nothing else; base64_decode takes exactly that, so what was decoded encodes back to the
// same text. base64_read takes what people and their libraries write.
#pragma once

#include "messages/error.hpp"

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

/// The bytes of what clients send, or errc::bad_input with what is wrong: a data: URL with any type
/// and parameters may stand around the text, lines may be broken (mail, Python's encodebytes), the
/// alphabet may be the URL-safe one, padding may be missing (JavaScript, JWT). Never lenient about
/// length: a text that was cut off inside a byte is refused.
result<std::vector<std::byte>> base64_read(std::string_view text);

/// How many bytes a text of this length decodes to at most; for checks before anything is
/// allocated.
constexpr std::size_t base64_decoded_max(std::size_t text_length) {
  return text_length / 4 * 3;
}

} // namespace tayfa
