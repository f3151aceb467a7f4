#include "runtime/base/json_string.hpp"
#include "runtime/base/text.hpp"
#include "runtime/telemetry/log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

namespace tayfa {

namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};

/// RFC 3339 in UTC with milliseconds.
std::string timestamp(std::chrono::system_clock::time_point at) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(at);
  const auto day = floor<days>(ms);
  const year_month_day date{day};
  const hh_mm_ss time{ms - day};
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return out.data();
}

/// A key that every format can print unquoted: [A-Za-z0-9_.-], bounded, never empty.
std::string safe_key(std::string_view key) {
  std::string out{key.substr(0, log_limits::key_bytes)};
  for (char& c : out) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == '-';
    c = fine ? c : '_';
  }
  return out.empty() ? "_" : out;
}

/// The record's fields under their printed keys: no duplicates, and none that the format itself
/// uses.
using keyed_fields = std::vector<std::pair<std::string, const log_value*>>;

keyed_fields keyed(std::span<const log_field> fields) {
  keyed_fields out;
  out.reserve(std::min(fields.size(), log_limits::fields));
  for (const auto& field : fields.first(std::min(fields.size(), log_limits::fields))) {
    std::string key = safe_key(field.key);
    const auto taken = [&out, &key] {
      return key == "time" || key == "level" || key == "event" ||
             std::any_of(out.begin(), out.end(), [&key](const auto& f) { return f.first == key; });
    };
    while (taken()) {
      key += '_';
    }
    out.emplace_back(std::move(key), &field.value);
  }
  return out;
}

template <class Number>
std::string number_text(Number n) {
  std::array<char, 40> out{};
  const auto end = std::to_chars(out.data(), out.data() + out.size(), n).ptr;
  return {out.data(), end};
}

/// A value's plain text, cut to its limit but not escaped.
std::string plain(const log_value& value, std::size_t limit = log_limits::value_bytes) {
  return std::visit(overloaded{
                        [](std::int64_t n) { return number_text(n); },
                        [](std::uint64_t n) { return number_text(n); },
                        [](double n) { return number_text(n); },
                        [](bool b) { return std::string{b ? "true" : "false"}; },
                        [limit](std::string_view s) { return text::cut_middle(s, limit); },
                        [limit](const std::string& s) { return text::cut_middle(s, limit); },
                    },
                    value.get());
}

/// NaN and infinity are not valid JSON: they are written as text.
bool is_json_literal(const log_value& value) {
  return std::visit(overloaded{
                        [](std::int64_t) { return true; },
                        [](std::uint64_t) { return true; },
                        [](double n) { return std::isfinite(n); },
                        [](bool) { return true; },
                        [](std::string_view) { return false; },
                        [](const std::string&) { return false; },
                    },
                    value.get());
}

std::string_view bounded_event(std::string_view event) {
  return event.substr(0, log_limits::event_bytes);
}

/// `event key=value key="two words"`.
void append_words(std::string& out, const log_record& record,
                  std::size_t value_limit = log_limits::value_bytes) {
  text::append_word(out, bounded_event(record.event));
  for (const auto& [key, value] : keyed(record.fields)) {
    out += ' ';
    out += key;
    out += '=';
    text::append_word(out, plain(*value, value_limit));
  }
  if (record.fields.size() > log_limits::fields) {
    out += " fields_dropped=" + std::to_string(record.fields.size() - log_limits::fields);
  }
}

std::string text_line(const log_record& record) {
  std::string out = timestamp(record.at);
  out += ' ';
  out += to_string(record.level);
  out += ' ';
  append_words(out, record);
  return out;
}

std::string json_line(const log_record& record) {
  std::string out = R"({"time":")" + timestamp(record.at) + R"(","level":")";
  out += to_string(record.level);
  out += R"(","event":)";
  text::append_json_string(out, bounded_event(record.event), text::json_escapes::dangerous);
  for (const auto& [key, value] : keyed(record.fields)) {
    out += ",\"" + key + "\":";
    if (is_json_literal(*value)) {
      out += plain(*value);
    } else {
      text::append_json_string(out, plain(*value), text::json_escapes::dangerous);
    }
  }
  if (record.fields.size() > log_limits::fields) {
    out += ",\"fields_dropped\":" + std::to_string(record.fields.size() - log_limits::fields);
  }
  out += '}';
  return out;
}

std::string_view runpod_level(log_level level) {
  switch (level) {
  case log_level::debug: return "DEBUG";
  case log_level::info: return "INFO";
  case log_level::warn: return "WARN";
  case log_level::error: return "ERROR";
  }
  return "ERROR";
}

/// Escapes everything beyond ASCII as \uXXXX, as json.dumps does.
void append_ascii_json(std::string& out, std::string_view words) {
  std::string quoted;
  text::append_json_string(quoted, words, text::json_escapes::dangerous);
  const auto unit = [&out](std::uint32_t u) {
    std::array<char, 8> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\u%04x", u & 0xffffU);
    out += escaped.data();
  };
  for (std::string_view rest = quoted; !rest.empty();) {
    const text::code_point c = text::first_code_point(rest);
    if (c.value < 0x80) {
      out += rest.front();
    } else if (c.value > 0xffff) {
      unit(0xd800 + ((c.value - 0x10000) >> 10U));
      unit(0xdc00 + ((c.value - 0x10000) & 0x3ffU));
    } else {
      unit(c.value);
    }
    rest.remove_prefix(c.length);
  }
}

/// Cuts as the SDK does: characters are counted, the note is not.
std::string cut_as_runpod(std::string_view message) {
  constexpr std::size_t most = log_limits::message_characters;
  std::vector<std::size_t> begins; // the start of each character
  for (std::size_t i = 0; i < message.size();) {
    begins.push_back(i);
    i += text::first_code_point(message.substr(i)).length;
  }
  if (begins.size() <= most) {
    return std::string{message};
  }
  std::string out{message.substr(0, begins[most / 2])};
  out += "\n...TRUNCATED " + std::to_string(begins.size() - most) + " CHARACTERS...\n";
  out += message.substr(begins[begins.size() - most / 2]);
  return out;
}

/// The output of a job's own program is the message itself, as with the SDK; other events are
/// written with their fields.
std::string runpod_message(const log_record& record) {
  for (const auto& field : record.fields) {
    if (record.event == engine_says && field.key == "text") {
      return plain(field.value, log_limits::runpod_value_bytes);
    }
  }
  std::string message;
  append_words(message, record, log_limits::runpod_value_bytes);
  return message;
}

std::string runpod_line(const log_record& record) {
  std::string id;
  for (const auto& field : record.fields) {
    if (field.key == "job") {
      id = plain(field.value);
      break;
    }
  }
  std::string out = R"({"requestId": )";
  if (id.empty()) {
    out += "null";
  } else {
    append_ascii_json(out, id);
  }
  out += R"(, "message": )";
  append_ascii_json(out, cut_as_runpod(runpod_message(record)));
  out += R"(, "level": ")";
  out += runpod_level(record.level);
  out += "\"}";
  return out;
}

} // namespace

std::string_view to_string(log_level level) {
  switch (level) {
  case log_level::debug: return "debug";
  case log_level::info: return "info";
  case log_level::warn: return "warn";
  case log_level::error: return "error";
  }
  return "error";
}

std::string_view to_string(log_format format) {
  switch (format) {
  case log_format::text: return "text";
  case log_format::json: return "json";
  case log_format::runpod: return "runpod";
  }
  return "text";
}

std::optional<log_level> log_level_from(std::string_view name) {
  for (const auto level : {log_level::debug, log_level::info, log_level::warn, log_level::error}) {
    if (to_string(level) == name) {
      return level;
    }
  }
  return std::nullopt;
}

std::optional<log_format> log_format_from(std::string_view name) {
  for (const auto format : {log_format::text, log_format::json, log_format::runpod}) {
    if (to_string(format) == name) {
      return format;
    }
  }
  return std::nullopt;
}

std::string format_line(log_format format, const log_record& record) {
  switch (format) {
  case log_format::text: return text_line(record);
  case log_format::json: return json_line(record);
  case log_format::runpod: return runpod_line(record);
  }
  return text_line(record);
}

} // namespace tayfa
