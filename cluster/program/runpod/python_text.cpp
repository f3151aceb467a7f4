#include "cluster/program/runpod/python_text.hpp"

#include "runtime/base/utf8.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace tayfa {

namespace json = boost::json;

namespace {

void append_hex(std::string& out, std::uint32_t code, std::size_t digits) {
  constexpr std::string_view hex = "0123456789abcdef";
  while (digits-- > 0) {
    out += hex[(code >> (4 * digits)) & 0xF];
  }
}

/// Characters beyond ASCII that repr() escapes and that could mislead a terminal: C1 controls, soft
/// hyphen, zero width and direction marks, line separators.
bool is_hidden(std::uint32_t code) {
  return (code >= 0x80 && code <= 0xA0) || code == 0xAD || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF;
}

void append_text(std::string& out, std::string_view s) {
  const bool has_single = s.find('\'') != std::string_view::npos;
  const char quote = has_single && s.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  while (!s.empty()) {
    const auto [code, bytes, valid] = text::first_code_point(s);
    if (code == static_cast<unsigned char>(quote) || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (code < 0x20 || code == 0x7F || (code < 0x100 && is_hidden(code))) {
      out += "\\x";
      append_hex(out, code, 2);
    } else if (is_hidden(code)) {
      out += "\\u";
      append_hex(out, code, 4);
    } else {
      out += s.substr(0, bytes);
    }
    s.remove_prefix(bytes);
  }
  out += quote;
}

/// The shortest digits that identify the number; with an exponent below 1e-4 and from 1e16 on.
void append_number(std::string& out, double number) {
  std::array<char, 64> buffer{};
  const auto size = [&buffer](const std::to_chars_result& r) {
    return static_cast<std::size_t>(r.ptr - buffer.data());
  };
  const double magnitude = number < 0 ? -number : number;
  const bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, form);
  const std::string_view text{buffer.data(), size(written)};
  out += text;
  if (plain && text.find('.') == std::string_view::npos) {
    out += ".0";
  }
}

void append(std::string& out, const json::value& v);

void append_object(std::string& out, const json::object& members) {
  out += '{';
  std::string_view separator;
  for (const auto& [key, member] : members) {
    out += separator;
    append_text(out, {key.data(), key.size()});
    out += ": ";
    append(out, member);
    separator = ", ";
  }
  out += '}';
}

void append_list(std::string& out, const json::array& items) {
  out += '[';
  std::string_view separator;
  for (const auto& item : items) {
    out += separator;
    append(out, item);
    separator = ", ";
  }
  out += ']';
}

void append(std::string& out, const json::value& v) {
  switch (v.kind()) {
  case json::kind::null: out += "None"; break;
  case json::kind::bool_: out += v.get_bool() ? "True" : "False"; break;
  case json::kind::int64: out += std::to_string(v.get_int64()); break;
  case json::kind::uint64: out += std::to_string(v.get_uint64()); break;
  case json::kind::double_: append_number(out, v.get_double()); break;
  case json::kind::string: append_text(out, {v.get_string().data(), v.get_string().size()}); break;
  case json::kind::array: append_list(out, v.get_array()); break;
  case json::kind::object: append_object(out, v.get_object()); break;
  }
}

} // namespace

std::string python_text(const json::value& v) {
  std::string out;
  append(out, v);
  return out;
}

} // namespace tayfa
