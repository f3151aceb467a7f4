#include "runtime/base/text.hpp"

#include "runtime/base/json_string.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tayfa::text {

namespace {

bool is_bare(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '=';
  });
}

} // namespace

bool is_dangerous(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

bool is_clean(std::string_view s) {
  while (!s.empty()) {
    const code_point c = first_code_point(s);
    if (!c.valid || is_dangerous(c.value)) {
      return false;
    }
    s.remove_prefix(c.length);
  }
  return true;
}

void append_word(std::string& out, std::string_view s) {
  if (is_bare(s)) {
    out += s;
    return;
  }
  out += '"';
  while (!s.empty()) {
    const code_point c = first_code_point(s);
    if (!c.valid) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned char>(s.front()));
      out += hex.data();
    } else if (c.value == '"' || c.value == '\\' || is_dangerous(c.value)) {
      append_json_escape(out, c.value);
    } else {
      out += s.substr(0, c.length);
    }
    s.remove_prefix(c.length);
  }
  out += '"';
}

std::string quoted(std::string_view s, std::size_t limit) {
  std::string out;
  append_word(out, cut_middle(s, limit));
  return out;
}

std::string visible(std::string_view s, std::size_t limit) {
  std::string out;
  std::string rest = cut_middle(s, limit);
  std::string_view view = rest;
  while (!view.empty()) {
    const code_point c = first_code_point(view);
    const std::string_view piece = view.substr(0, c.length);
    if (c.valid && !is_dangerous(c.value)) {
      out += piece;
    } else {
      std::string escaped;
      append_word(escaped, piece);
      out += escaped.substr(1, escaped.size() - 2);
    }
    view.remove_prefix(c.length);
  }
  return out;
}

std::string cut_middle(std::string_view s, std::size_t limit) {
  constexpr std::size_t note_room = 48; // "...CUT 18446744073709551615 BYTES..." is shorter
  if (s.size() <= limit) {
    return std::string{s};
  }
  const std::string_view head = utf8_prefix(s, (limit - note_room) / 2);
  std::size_t tail = s.size() - (limit - note_room) / 2;
  for (int i = 0; i < 3 && tail < s.size() && is_continuation(s[tail]); ++i) {
    ++tail;
  }
  std::string out{head};
  out += "...CUT " + std::to_string(tail - head.size()) + " BYTES...";
  out += s.substr(tail);
  return out;
}

} // namespace tayfa::text
