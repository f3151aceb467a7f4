#include "runtime/model/base64.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>
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

constexpr std::uint8_t blank = 0xfe;
constexpr std::uint8_t padding_mark = 0xfd;

/// Accepts both alphabets, whitespace and padding.
constexpr std::array<std::uint8_t, 256> make_lenient() {
  auto table = make_reverse();
  table['-'] = 62;
  table['_'] = 63;
  for (const char c : {' ', '\t', '\r', '\n', '\f'}) {
    table[static_cast<unsigned char>(c)] = blank;
  }
  table['='] = padding_mark;
  return table;
}
constexpr auto lenient = make_lenient();

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
  // Unused bits must be zero, else several texts would decode to the same bytes.
  if (padding == 2 ? (b & 15) != 0 : (c & 3) != 0) {
    return std::nullopt;
  }
  out.push_back(static_cast<std::byte>(a << 2 | b >> 4));
  if (padding == 1) {
    out.push_back(static_cast<std::byte>((b & 15) << 4 | c >> 2));
  }
  return out;
}

namespace {

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/// Decodes %2B, %2F and %3D, the URL escapes of + / and =.
std::string without_percents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

auto bad(std::string text) {
  return fail(errc::bad_input, std::move(text));
}

result<std::vector<std::byte>> read_plain(std::string_view text) {
  std::vector<std::byte> out;
  out.reserve(base64_decoded_max(text.size()) + 3);
  std::uint32_t word = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    const auto value = lenient[static_cast<unsigned char>(c)];
    if (value == blank) {
      continue;
    }
    if (value == padding_mark) {
      ++padding;
      continue;
    }
    if (value > 63 || padding > 0) {
      return bad(padding > 0 ? "it is no base64: something follows its padding"
                             : "it is no base64: it holds a character of no alphabet");
    }
    word = word << 6 | value;
    if (++digits % 4 == 0) {
      out.push_back(static_cast<std::byte>(word >> 16 & 255));
      out.push_back(static_cast<std::byte>(word >> 8 & 255));
      out.push_back(static_cast<std::byte>(word & 255));
    }
  }
  const auto rest = digits % 4;
  if (rest == 1 || (padding > 0 && (rest == 0 || padding != 4 - rest))) {
    return bad("it is no base64: it is cut off, or its padding is wrong");
  }
  if (rest >= 2) {
    word <<= 6 * (4 - rest);
    out.push_back(static_cast<std::byte>(word >> 16 & 255));
    if (rest == 3) {
      out.push_back(static_cast<std::byte>(word >> 8 & 255));
    }
  }
  return out;
}

} // namespace

result<std::vector<std::byte>> base64_read(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r\n");
  text = start == std::string_view::npos ? std::string_view{} : text.substr(start);
  if (!text::istarts_with(text, "data:")) {
    if (text::istarts_with(text, "http://") || text::istarts_with(text, "https://")) {
      return bad("it is an address; the content itself must be sent, as base64");
    }
    return read_plain(text);
  }
  const auto comma = text.find(',');
  if (comma == std::string_view::npos) {
    return bad("its data: URL has no comma, so it has no content");
  }
  auto head = text.substr(0, comma);
  head = head.substr(0, head.find_last_not_of(' ') + 1);
  if (!text::iends_with(head, ";base64")) {
    return bad("its data: URL is not base64 (\";base64\" must stand before the comma)");
  }
  const auto body = text.substr(comma + 1);
  return body.find('%') == std::string_view::npos ? read_plain(body)
                                                  : read_plain(without_percents(body));
}

} // namespace tayfa
