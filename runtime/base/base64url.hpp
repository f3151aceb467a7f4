// Base64 for places where text stands in a URL or a shell's command: the alphabet of RFC 4648,
// section 5, without padding. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

std::string base64url_encode(std::span<const std::byte>);

/// The bytes; empty when a character is of another alphabet, or the text is none that
/// base64url_encode() gives (a length, or bits behind the last byte, that no bytes have).
std::optional<std::string> base64url_decode(std::string_view);

/// The place of the first character of another alphabet; npos = there is none.
std::size_t base64url_first_foreign(std::string_view);

} // namespace tayfa
