#include "runtime/model/base64.hpp"

#include <array>
#include <cstdint>

namespace tayfa {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t invalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_reverse() {
  std::array<std::uint8_t, 256> table{};
  table.fill(invalid);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}
constexpr auto reverse = make_reverse();

std::uint32_t sextet(char c) {
  return reverse[static_cast<unsigned char>(c)];
}

} // namespace

void base64_append(std::string& out, std::span<const std::byte> bytes) {
  const std::size_t start = out.size();
  out.resize(start + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + start;
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t word = std::to_integer<std::uint32_t>(bytes[at]) << 16 |
                               std::to_integer<std::uint32_t>(bytes[at + 1]) << 8 |
                               std::to_integer<std::uint32_t>(bytes[at + 2]);
    *to++ = alphabet[word >> 18];
    *to++ = alphabet[word >> 12 & 63];
    *to++ = alphabet[word >> 6 & 63];
    *to++ = alphabet[word & 63];
  }
  const std::size_t left = bytes.size() - at;
  if (left == 0) {
    return;
  }
  const std::uint32_t word = std::to_integer<std::uint32_t>(bytes[at]) << 16 |
                             (left == 2 ? std::to_integer<std::uint32_t>(bytes[at + 1]) << 8 : 0u);
  *to++ = alphabet[word >> 18];
  *to++ = alphabet[word >> 12 & 63];
  *to++ = left == 2 ? alphabet[word >> 6 & 63] : '=';
  *to++ = '=';
}

std::string base64_encode(std::span<const std::byte> bytes) {
  std::string out;
  base64_append(out, bytes);
  return out;
}

std::optional<std::vector<std::byte>> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::vector<std::byte> out;
  if (text.empty()) {
    return out;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.reserve(base64_decoded_max(text.size()));
  const std::size_t whole = text.size() - (padding > 0 ? 4 : 0);
  for (std::size_t at = 0; at < whole; at += 4) {
    const std::uint32_t a = sextet(text[at]);
    const std::uint32_t b = sextet(text[at + 1]);
    const std::uint32_t c = sextet(text[at + 2]);
    const std::uint32_t d = sextet(text[at + 3]);
    if ((a | b | c | d) > 63) {
      return std::nullopt;
    }
    const std::uint32_t word = a << 18 | b << 12 | c << 6 | d;
    out.push_back(static_cast<std::byte>(word >> 16));
    out.push_back(static_cast<std::byte>(word >> 8 & 255));
    out.push_back(static_cast<std::byte>(word & 255));
  }
  if (padding == 0) {
    return out;
  }
  const std::uint32_t a = sextet(text[whole]);
  const std::uint32_t b = sextet(text[whole + 1]);
  const std::uint32_t c = padding == 1 ? sextet(text[whole + 2]) : 0;
  if ((a | b | c) > 63) {
    return std::nullopt;
  }
  // Bits that no byte uses must be zero, else several texts would mean the same bytes.
  if (padding == 2 ? (b & 15) != 0 : (c & 3) != 0) {
    return std::nullopt;
  }
  out.push_back(static_cast<std::byte>(a << 2 | b >> 4));
  if (padding == 1) {
    out.push_back(static_cast<std::byte>((b & 15) << 4 | c >> 2));
  }
  return out;
}

} // namespace tayfa
