#include "runtime/telemetry/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tayfa::text {

namespace {

bool is_continuation(unsigned char c) {
  return (c & 0xc0) == 0x80;
}

void append_u(std::string& out, std::uint32_t value) {
  std::array<char, 8> hex{};
  std::snprintf(hex.data(), hex.size(), "\\u%04x", value & 0xffffU);
  out += hex.data();
}

/// Appends the short escape shared by JSON and our text format; false when there is none.
bool append_short_escape(std::string& out, std::uint32_t value) {
  switch (value) {
  case '"': out += "\\\""; return true;
  case '\\': out += "\\\\"; return true;
  case '\n': out += "\\n"; return true;
  case '\r': out += "\\r"; return true;
  case '\t': out += "\\t"; return true;
  default: return false;
  }
}

template <class OnBadByte>
void append_escaped(std::string& out, std::string_view s, OnBadByte on_bad_byte) {
  while (!s.empty()) {
    const code_point c = first_code_point(s);
    if (!c.valid) {
      on_bad_byte(static_cast<unsigned char>(s.front()));
    } else if (!append_short_escape(out, c.value)) {
      if (is_dangerous(c.value)) {
        append_u(out, c.value);
      } else {
        out += s.substr(0, c.length);
      }
    }
    s.remove_prefix(c.length);
  }
}

bool is_bare(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '=';
  });
}

} // namespace

code_point first_code_point(std::string_view s) {
  const auto byte = [s](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const code_point bad{byte(0), 1, false};
  std::size_t length = 0;
  std::uint32_t value = 0;
  std::uint32_t smallest = 0;
  if (byte(0) < 0x80) {
    return {byte(0), 1, true};
  }
  if ((byte(0) & 0xe0) == 0xc0) {
    length = 2;
    value = byte(0) & 0x1fU;
    smallest = 0x80;
  } else if ((byte(0) & 0xf0) == 0xe0) {
    length = 3;
    value = byte(0) & 0x0fU;
    smallest = 0x800;
  } else if ((byte(0) & 0xf8) == 0xf0) {
    length = 4;
    value = byte(0) & 0x07U;
    smallest = 0x10000;
  } else {
    return bad;
  }
  if (s.size() < length) {
    return bad;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) {
      return bad;
    }
    value = (value << 6) | (byte(i) & 0x3fU);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest || value > 0x10ffff || surrogate) {
    return bad;
  }
  return {value, length, true};
}

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

void append_json(std::string& out, std::string_view s) {
  out += '"';
  append_escaped(out, s, [&out](unsigned char) { out += "\\ufffd"; });
  out += '"';
}

void append_word(std::string& out, std::string_view s) {
  if (is_bare(s)) {
    out += s;
    return;
  }
  out += '"';
  append_escaped(out, s, [&out](unsigned char byte) {
    std::array<char, 8> hex{};
    std::snprintf(hex.data(), hex.size(), "\\x%02x", byte);
    out += hex.data();
  });
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
  std::size_t head = (limit - note_room) / 2;
  std::size_t tail = s.size() - head;
  // A sequence has at most three continuation bytes; a longer run is not UTF-8 and may be split.
  for (int i = 0; i < 3 && head > 0 && is_continuation(static_cast<unsigned char>(s[head])); ++i) {
    --head;
  }
  for (int i = 0; i < 3 && tail < s.size() && is_continuation(static_cast<unsigned char>(s[tail]));
       ++i) {
    ++tail;
  }
  std::string out{s.substr(0, head)};
  out += "...CUT " + std::to_string(tail - head) + " BYTES...";
  out += s.substr(tail);
  return out;
}

} // namespace tayfa::text
