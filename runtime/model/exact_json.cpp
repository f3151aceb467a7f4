#include "runtime/model/exact_json.hpp"

#include "runtime/base/plain_text.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

namespace {

namespace json = boost::json;
using boost::json::error_code;
using json::string_view;

enum class complaint : std::uint8_t { none, duplicate_key, number_range };

struct handler {
  static constexpr std::size_t max_object_size = std::size_t{1} << 16;
  static constexpr std::size_t max_array_size = std::size_t{1} << 28;
  static constexpr std::size_t max_key_size = std::size_t{1} << 12;
  static constexpr std::size_t max_string_size = std::size_t{1} << 28;

  json::value_stack values;
  std::vector<std::vector<std::string>> keys; ///< of every open object
  std::string key;
  std::string number;
  complaint why = complaint::none;

  bool refuse(complaint c, error_code& ec) {
    why = c;
    ec = json::error::syntax;
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    keys.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, error_code& ec) {
    auto& seen = keys.back();
    std::sort(seen.begin(), seen.end());
    if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) {
      return refuse(complaint::duplicate_key, ec);
    }
    keys.pop_back();
    values.push_object(n);
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    values.push_array(n);
    return true;
  }
  bool on_key_part(string_view s, std::size_t, error_code&) {
    values.push_chars(s);
    key.append(s.data(), s.size());
    return true;
  }
  bool on_key(string_view s, std::size_t, error_code&) {
    values.push_key(s);
    key.append(s.data(), s.size());
    keys.back().push_back(std::move(key));
    key.clear();
    return true;
  }
  bool on_string_part(string_view s, std::size_t, error_code&) {
    values.push_chars(s);
    return true;
  }
  bool on_string(string_view s, std::size_t, error_code&) {
    values.push_string(s);
    return true;
  }
  bool on_number_part(string_view s, error_code&) {
    number.append(s.data(), s.size());
    return true;
  }
  bool on_int64(std::int64_t v, string_view, error_code&) {
    number.clear();
    values.push_int64(v);
    return true;
  }
  bool on_uint64(std::uint64_t v, string_view, error_code&) {
    number.clear();
    values.push_uint64(v);
    return true;
  }
  bool on_double(double rough, string_view s, error_code& ec) {
    number.append(s.data(), s.size());
    double exact = 0;
    const auto end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, exact);
    if (read.ec == std::errc::result_out_of_range && std::abs(rough) < 1.0) {
      exact = std::copysign(0.0, rough);
    } else if (read.ec != std::errc{} || read.ptr != end) {
      return refuse(complaint::number_range, ec);
    }
    number.clear();
    values.push_double(exact);
    return true;
  }
  bool on_bool(bool v, error_code&) {
    values.push_bool(v);
    return true;
  }
  bool on_null(error_code&) {
    values.push_null();
    return true;
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};

} // namespace

result<json::value> parse_json(std::string_view text, const json_limits& limits, errc broken) {
  if (const auto foreign = text::why_not_utf8(text)) {
    return fail(broken, *foreign);
  }
  text = text::without_mark(text);
  if (text.size() > limits.bytes) {
    return fail(broken, "the JSON text is larger than " + std::to_string(limits.bytes) + " bytes");
  }
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<handler> parser(options);
  parser.handler().values.reset();
  error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && read < text.size()) {
    ec = json::error::extra_data;
  }
  if (ec) {
    const auto at = " at byte " + std::to_string(read);
    switch (parser.handler().why) {
    case complaint::duplicate_key: return fail(broken, "a key comes twice in one object" + at);
    case complaint::number_range: return fail(broken, "a number is out of range" + at);
    case complaint::none: break;
    }
    return fail(broken, "not valid JSON: " + ec.message() + at);
  }
  return parser.handler().values.release();
}

} // namespace tayfa
