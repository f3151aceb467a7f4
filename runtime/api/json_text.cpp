#include "runtime/api/json_text.hpp"

#include "runtime/api/json_walk.hpp"
#include "runtime/base/plain_text.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>
#include <limits>

namespace tayfa::api {

namespace json = boost::json;

namespace {

/// Hears every event of the parser and keeps nothing: only the verdict is wanted.
struct verdict_handler {
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  using error_code = json::error_code;
  using text = json::string_view;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_string_part(text, std::size_t, error_code&) { return true; }
  bool on_string(text, std::size_t, error_code&) { return true; }
  bool on_key_part(text, std::size_t, error_code&) { return true; }
  bool on_key(text, std::size_t, error_code&) { return true; }
  bool on_number_part(text, error_code&) { return true; }
  bool on_int64(std::int64_t, text, error_code&) { return true; }
  bool on_uint64(std::uint64_t, text, error_code&) { return true; }
  bool on_double(double number, text, error_code& ec) {
    // 1e999 is JSON by its grammar, but every reader behind us would see an infinity.
    if (!std::isfinite(number)) {
      ec = make_error_code(json::error::exponent_overflow);
      return false;
    }
    return true;
  }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(text, error_code&) { return true; }
  bool on_comment(text, error_code&) { return true; }
};

/// The text of a JSON string literal, without quotes and escapes.
std::string unquoted(std::string_view literal) {
  if (literal.find('\\') == std::string_view::npos) {
    return std::string{literal.substr(1, literal.size() - 2)};
  }
  json::error_code ec;
  const json::value parsed = json::parse(json::string_view{literal.data(), literal.size()}, ec);
  return ec || !parsed.is_string() ? std::string{} : std::string{parsed.get_string()};
}

/// How many bytes the UTF-8 character at the front of `text` has; 0 when it is none (RFC 3629,
/// table 3-7 of Unicode).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [byte](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return follows(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

void append_escaped(std::string& out, unsigned char c) {
  static constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
  case '"': out += "\\\""; return;
  case '\\': out += "\\\\"; return;
  case '\n': out += "\\n"; return;
  case '\r': out += "\\r"; return;
  case '\t': out += "\\t"; return;
  default: break;
  }
  out += "\\u00";
  out += digits[c >> 4U];
  out += digits[c & 0xFU];
}

} // namespace

result<void> check_json(std::string_view text) {
  if (auto foreign = text::why_not_utf8(text)) {
    return fail(errc::bad_json, std::move(*foreign));
  }
  json::parse_options options;
  options.max_depth = json_depth_max;
  json::basic_parser<verdict_handler> parser(options);
  json::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (ec) {
    return fail(errc::bad_json, ec.message() + " at byte " + std::to_string(used));
  }
  if (used != text.size()) {
    return fail(errc::bad_json, "bytes after the value, at byte " + std::to_string(used));
  }
  return {};
}

result<std::vector<json_member>> json_members(std::string_view text) {
  json_walker walk{text};
  walk.skip_space();
  if (!walk.at('{')) {
    return fail(errc::bad_json, "an object is needed");
  }
  walk.step();
  walk.skip_space();
  std::vector<json_member> members;
  while (walk.at('"')) {
    if (members.size() == json_members_max) {
      return fail(errc::bad_json, "more than 64 members");
    }
    json_member member;
    member.key = unquoted(walk.value());
    walk.skip_space();
    walk.step(); // the colon
    walk.skip_space();
    member.value = walk.value();
    const bool twice = std::any_of(members.begin(), members.end(),
                                   [&member](const auto& m) { return m.key == member.key; });
    if (twice) {
      return fail(errc::bad_json, "the same key twice in one object");
    }
    members.push_back(std::move(member));
    walk.skip_space();
    if (walk.at(',')) {
      walk.step();
      walk.skip_space();
    }
  }
  return members;
}

std::optional<std::string> json_string(std::string_view value, std::size_t longest) {
  // The longest escape of one byte has six.
  if (!value.starts_with('"') || value.size() < 2 || value.size() > longest * 6 + 2) {
    return std::nullopt;
  }
  std::string text = unquoted(value);
  return text.size() <= longest ? std::optional{std::move(text)} : std::nullopt;
}

std::optional<double> json_number(std::string_view value) {
  double number = 0;
  const char* const last = value.data() + value.size();
  const auto [rest, ec] = std::from_chars(value.data(), last, number);
  const bool digit = !value.empty() && ((value[0] >= '0' && value[0] <= '9') || value[0] == '-');
  if (!digit || ec != std::errc{} || rest != last || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

std::string cut_out(std::string&& body, std::string_view part) {
  const auto begin = static_cast<std::size_t>(part.data() - body.data());
  body.resize(begin + part.size());
  body.erase(0, begin);
  if (body.size() < body.capacity() / 2) {
    body.shrink_to_fit(); // a small part must not hold the memory of a large body while it waits
  }
  return std::move(body);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0; // where the run of bytes that go out as they are begins
  std::size_t i = 0;
  const auto flush = [&out, &plain, text](std::size_t end) {
    out.append(text.substr(plain, end - plain));
  };
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7F) {
      ++i;
      continue;
    }
    const std::size_t length = c < 0x80 ? 0 : utf8_length(text.substr(i));
    if (length > 0) {
      i += length;
      continue;
    }
    flush(i);
    if (c < 0x80) {
      append_escaped(out, c);
    } else {
      out += "\xEF\xBF\xBD";
    }
    plain = ++i;
  }
  flush(i);
  out += '"';
}

} // namespace tayfa::api
