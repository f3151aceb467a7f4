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

/// Takes every event of the parser and keeps nothing: only the verdict counts.
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

} // namespace tayfa::api
