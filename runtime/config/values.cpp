#include "runtime/config/values.hpp"

#include "runtime/base/words.hpp"
#include "runtime/config/rate.hpp"
#include "runtime/config/share.hpp"
#include "runtime/config/slot_kinds.hpp"

#include "runtime/base/text.hpp"
#include "runtime/config/address.hpp"
#include "runtime/config/suggest.hpp"
#include "runtime/net/address_guard.hpp"
#include "runtime/net/host_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

namespace tayfa {

namespace {

constexpr std::size_t text_max = 4096; // PATH_MAX; no text of a knob is longer
constexpr std::size_t items_max = 1000;

std::string with_unit(const std::string& number, const knob& row) {
  return row.unit.empty() ? number : number + " " + std::string{row.unit};
}

/// `shown` is the displayed value with its unit.
complaint outside(const knob& row, double value, const std::string& shown) {
  if (value < row.minimum) {
    return shown + " is below the minimum " + with_unit(number_text(row.minimum), row);
  }
  if (value > row.maximum) {
    return shown + " is above the maximum " + with_unit(number_text(row.maximum), row);
  }
  return std::nullopt;
}

bool is_number(std::string_view digits) {
  return !digits.empty() &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The number, or the largest uint64 when the digits exceed it.
std::uint64_t digits_value(std::string_view digits) {
  std::uint64_t out = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return parsed.ec == std::errc{} ? out : std::numeric_limits<std::uint64_t>::max();
}

bool is_negative_number(std::string_view s) {
  return s.starts_with('-') && is_number(s.substr(1));
}

/// The value of a sign and digits, precise enough to compare with the bounds: every negative number
/// is below all of them.
double approximate(std::string_view number) {
  return number.starts_with('-') ? -1.0 : static_cast<double>(digits_value(number));
}

template <class Whole>
complaint parse_whole(const knob& row, const raw_value& raw, Whole& out) {
  const std::string shown = text::quoted(raw.text, 64);
  if (!is_number(raw.text) && !is_negative_number(raw.text)) {
    return shown + " is not a whole number";
  }
  if (auto why = outside(row, approximate(raw.text), with_unit(shown, row))) {
    return why;
  }
  out = static_cast<Whole>(digits_value(raw.text));
  return std::nullopt;
}

bool is_name(std::string_view s) {
  return !s.empty() && s.size() <= 64 && s != "." && s != ".." &&
         std::all_of(s.begin(), s.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

/// True for an absolute path of characters that need no encoding, without empty or dot segments.
bool is_url_path(std::string_view s) {
  if (s.size() > 256 || !s.starts_with('/')) {
    return false;
  }
  while (!s.empty()) {
    s.remove_prefix(1);
    const std::string_view segment = s.substr(0, s.find('/'));
    if (!is_name(segment)) {
      return false;
    }
    s.remove_prefix(segment.size());
  }
  return true;
}

/// NAME, PREFIX* or NAME=VALUE.
bool is_variable(std::string_view s) {
  const auto equals = s.find('=');
  auto name = s.substr(0, equals);
  if (equals == std::string_view::npos && name.ends_with('*')) {
    name.remove_suffix(1);
  }
  return !name.empty() && (name.front() < '0' || name.front() > '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

complaint check_choice(const knob& row, const std::string& s) {
  if (std::find(row.choices.begin(), row.choices.end(), s) != row.choices.end()) {
    return std::nullopt;
  }
  return text::quoted(s, 100) + " is not " + allowed_values(row) + suggestion(s, row.choices);
}

/// Its words never quote the value, which has a password.
complaint check_database(const std::string& s) {
  if (s.empty() || s.starts_with("postgresql://") || s.starts_with("postgres://")) {
    return text::is_clean(s) ? std::nullopt : complaint{"holds a control character"};
  }
  return "does not begin with postgresql://";
}

complaint check_address(const std::string& given, std::string_view address) {
  if (const auto parsed = parse_listen_address(address); !parsed) {
    return text::quoted(given, 100) + " " + parsed.error().text;
  }
  return std::nullopt;
}

/// Without tcp://.
std::string_view link_address(std::string_view s) {
  constexpr std::string_view scheme = "tcp://";
  return s.starts_with(scheme) ? s.substr(scheme.size()) : s;
}

complaint check_text(const knob& row, const std::string& s) {
  if (s.size() > text_max) {
    return "is longer than " + std::to_string(text_max) + " bytes";
  }
  if (row.form == text_form::database) {
    return check_database(s);
  }
  if (!text::is_clean(s)) {
    return text::quoted(s, 100) + " holds control characters or bytes that are not UTF-8";
  }
  switch (row.form) {
  case text_form::choice: return check_choice(row, s);
  case text_form::optional_address: return s.empty() ? std::nullopt : check_address(s, s);
  case text_form::link_address: return s.empty() ? std::nullopt : check_address(s, link_address(s));
  case text_form::address: return check_address(s, s);
  case text_form::url_path:
    if (!is_url_path(s)) {
      return text::quoted(s, 100) + " is not " + allowed_values(row);
    }
    return std::nullopt;
  case text_form::required_path: return s.empty() ? complaint{"must not be empty"} : std::nullopt;
  case text_form::name:
    if (!is_name(s)) {
      return text::quoted(s, 100) + " is not a name: 1 to 64 of A-Z a-z 0-9 . _ -";
    }
    return std::nullopt;
  case text_form::host:
    if (!is_name_of_host(s)) {
      return text::quoted(s, 100) + " is not the name of a host: letters, digits, - and _ between "
                                    "dots, no port (addresses are served anyway)";
    }
    return std::nullopt;
  case text_form::network:
    if (const auto block = parse_block(s); !block) {
      return text::quoted(s, 100) + " " + block.error().text;
    }
    return std::nullopt;
  case text_form::variable:
    if (!is_variable(s)) {
      return text::quoted(s.substr(0, s.find('=')), 100) + " is not " + allowed_values(row);
    }
    return std::nullopt;
  case text_form::slot_kind:
    if (const auto slots = parse_slot_kind(s); !slots) {
      return text::quoted(s, 100) + " " + slots.error().text;
    }
    return std::nullopt;
  case text_form::share:
    if (const auto share = parse_share(s); !share) {
      return text::quoted(s, 100) + " " + share.error().text;
    }
    return std::nullopt;
  case text_form::rate:
    if (const auto rate = parse_rate(s); !rate) {
      return text::quoted(s, 100) + " " + rate.error().text;
    }
    return std::nullopt;
  case text_form::path:
  case text_form::database:
  case text_form::unused: return std::nullopt;
  }
  return std::nullopt;
}

complaint check_items(const knob& row, const std::vector<std::string>& items) {
  if (items.size() > items_max) {
    return "has more than " + std::to_string(items_max) + " items";
  }
  if (items.empty() && row.form == text_form::name) {
    return "must name at least one";
  }
  for (auto item = items.begin(); item != items.end(); ++item) {
    if (item->empty()) {
      return "has an empty item";
    }
    if (auto why = check_text(row, *item)) {
      return why;
    }
    if (std::find(items.begin(), item, *item) != item) {
      return text::quoted(*item, 100) + " is given twice";
    }
  }
  return std::nullopt;
}

struct duration_unit {
  std::string_view suffix;
  std::uint64_t ms;
};
// "ms" before "m" and "s": the first matching suffix wins.
constexpr std::array<duration_unit, 4> duration_units{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};

} // namespace

string_list::string_list(std::string_view text) {
  constexpr std::string_view blank = " \t";
  if (text::trimmed(text, blank).empty()) {
    return;
  }
  for (const auto item : text::split(text, ',')) {
    items_.emplace_back(text::trimmed(item, blank));
  }
}

std::string string_list::str() const {
  std::string out;
  for (const auto& item : items_) {
    out += (out.empty() ? "" : ",") + item;
  }
  return out;
}

complaint parse_value(const knob& row, const raw_value& raw, std::string& out) {
  if (auto why = check_text(row, raw.text)) {
    return why;
  }
  out = raw.text;
  return std::nullopt;
}

complaint parse_value(const knob&, const raw_value& raw, bool& out) {
  const std::string& s = raw.text;
  if (s != "true" && s != "false" && s != "1" && s != "0") {
    return text::quoted(s, 64) + " is neither true nor false";
  }
  out = s == "true" || s == "1";
  return std::nullopt;
}

complaint parse_value(const knob& row, const raw_value& raw, std::uint32_t& out) {
  return parse_whole(row, raw, out);
}
complaint parse_value(const knob& row, const raw_value& raw, std::uint64_t& out) {
  return parse_whole(row, raw, out);
}

complaint parse_value(const knob& row, const raw_value& raw, milliseconds& out) {
  std::string_view digits = raw.text;
  std::uint64_t factor = 1;
  for (const auto& unit : duration_units) {
    if (digits.ends_with(unit.suffix)) {
      digits.remove_suffix(unit.suffix.size());
      factor = unit.ms;
      break;
    }
  }
  const std::string shown = text::quoted(raw.text, 64);
  if (!is_number(digits) && !is_negative_number(digits)) {
    return shown + " is not a duration: write 1500ms, 2s, 10m, 1h or a number of milliseconds";
  }
  const bool bare = digits.size() == raw.text.size();
  const double value = approximate(digits) * static_cast<double>(factor);
  if (auto why = outside(row, value, bare ? with_unit(shown, row) : shown)) {
    return why;
  }
  out = milliseconds{static_cast<std::int64_t>(digits_value(digits) * factor)};
  return std::nullopt;
}

complaint parse_value(const knob& row, const raw_value& raw, string_list& out) {
  const auto items = raw.items ? *raw.items : string_list{raw.text}.items();
  if (auto why = check_items(row, items)) {
    return why;
  }
  string_list list;
  for (const auto& item : items) {
    list.add(item);
  }
  out = std::move(list);
  return std::nullopt;
}

std::string hide_password(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    return url.empty() ? "" : "***"; // no address, so nobody knows what it holds
  }
  const auto begin = scheme + 3;
  const auto end = std::min(url.find_first_of("/?", begin), url.size());
  const auto at = url.substr(0, end).rfind('@');
  std::string out{url};
  const auto colon = url.find(':', begin);
  // Parameters first: they are behind.
  for (auto name = out.find("password="); name != std::string::npos;
       name = out.find("password=", name + 9)) {
    const auto value = name + 9;
    out.replace(value, std::min(out.find('&', value), out.size()) - value, "***");
  }
  if (at != std::string_view::npos && at > begin && colon < at) {
    out.replace(colon + 1, at - colon - 1, "***");
  }
  return out;
}

raw_value print_value(const std::string& v) {
  return {v, std::nullopt};
}
raw_value print_value(bool v) {
  return {v ? "true" : "false", std::nullopt};
}
raw_value print_value(std::uint32_t v) {
  return {std::to_string(v), std::nullopt};
}
raw_value print_value(std::uint64_t v) {
  return {std::to_string(v), std::nullopt};
}
raw_value print_value(milliseconds v) {
  return {std::to_string(v.count()), std::nullopt};
}
raw_value print_value(const string_list& v) {
  return {v.str(), v.items()};
}

std::string number_text(double v) {
  std::array<char, 400> out{}; // the fixed form of the largest double has 309 digits
  const bool whole = std::abs(v) < 1e15 && std::floor(v) == v;
  const auto end =
      whole ? std::to_chars(out.data(), out.data() + out.size(), static_cast<std::int64_t>(v))
            : std::to_chars(out.data(), out.data() + out.size(), v);
  return {out.data(), end.ptr};
}

} // namespace tayfa
