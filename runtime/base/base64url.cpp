#include "runtime/base/base64url.hpp"

#include <cstdint>

namespace tayfa {

namespace {

constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

} // namespace

std::string base64url_encode(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned waiting = 0;
  for (const auto byte : bytes) {
    bits = bits << 8U | std::to_integer<std::uint32_t>(byte);
    for (waiting += 8; waiting >= 6; waiting -= 6) {
      text += letters[bits >> (waiting - 6) & 63U];
    }
  }
  if (waiting > 0) {
    text += letters[bits << (6 - waiting) & 63U];
  }
  return text;
}

std::size_t base64url_first_foreign(std::string_view text) {
  return text.find_first_not_of(letters);
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned waiting = 0;
  for (const char c : text) {
    const auto value = letters.find(c);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    waiting += 6;
    if (waiting >= 8) {
      waiting -= 8;
      bytes += static_cast<char>(bits >> waiting & 255U);
    }
  }
  if (waiting >= 6 || (bits & ((1U << waiting) - 1)) != 0) {
    return std::nullopt;
  }
  return bytes;
}

} // namespace tayfa
