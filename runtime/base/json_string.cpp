#include "runtime/base/json_string.hpp"

#include "runtime/base/text.hpp"

namespace tayfa::text {

namespace {

bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

void append_unit(std::string& out, std::uint32_t unit) {
  static constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (unsigned shift = 16; shift > 0;) {
    shift -= 4;
    out += digits[(unit >> shift) & 0xFU];
  }
}

/// Of a character beyond ASCII.
bool is_escaped(std::uint32_t code_point, json_escapes escapes) {
  switch (escapes) {
  case json_escapes::needed: return false;
  case json_escapes::dangerous: return is_dangerous(code_point);
  case json_escapes::non_ascii: return true;
  }
  return true;
}

} // namespace

void append_json_escape(std::string& out, std::uint32_t code_point) {
  switch (code_point) {
  case '"': out += "\\\""; return;
  case '\\': out += "\\\\"; return;
  case '\n': out += "\\n"; return;
  case '\r': out += "\\r"; return;
  case '\t': out += "\\t"; return;
  default: break;
  }
  if (code_point > 0xFFFF) { // a surrogate pair
    append_unit(out, 0xD800 + ((code_point - 0x10000) >> 10U));
    append_unit(out, 0xDC00 + ((code_point - 0x10000) & 0x3FFU));
  } else {
    append_unit(out, code_point);
  }
}

void append_json_string(std::string& out, std::string_view text, json_escapes escapes) {
  out += '"';
  std::size_t plain = 0; // where the run of bytes that go out as they are begins
  std::size_t i = 0;
  while (i < text.size()) {
    if (is_plain(static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    const code_point c = first_code_point(text.substr(i));
    if (c.valid && c.value >= 0x80 && !is_escaped(c.value, escapes)) {
      i += c.length;
      continue;
    }
    out.append(text.substr(plain, i - plain));
    if (c.valid) {
      append_json_escape(out, c.value);
    } else {
      out += escapes == json_escapes::needed ? "\xEF\xBF\xBD" : "\\ufffd";
    }
    i += c.length;
    plain = i;
  }
  out.append(text.substr(plain));
  out += '"';
}

} // namespace tayfa::text
