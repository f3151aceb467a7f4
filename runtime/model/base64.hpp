// Base64 (RFC 4648). Encoding is strict (section 4): the standard alphabet and regular padding,
// nothing else; base64_decode accepts exactly that, so decoded text encodes back to itself.
// base64_read accepts the variants that clients and their libraries write.
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

/// The bytes; empty when the text is not strict Base64.
std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

/// Decodes clients' Base64; errc::bad_input names the fault. Accepts a data: URL with any type and
/// parameters around the text, line breaks (mail, Python's encodebytes), the URL-safe alphabet, and
/// missing padding (JavaScript, JWT). Never lenient about length: a text cut off inside a byte is
/// refused.
result<std::vector<std::byte>> base64_read(std::string_view text);

/// Upper bound of the decoded size of a text of this length; for checks before anything is
/// allocated.
constexpr std::size_t base64_decoded_max(std::size_t text_length) {
  return text_length / 4 * 3;
}

} // namespace tayfa
