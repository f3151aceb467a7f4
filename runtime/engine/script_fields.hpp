// Reads the scripted engine's JSON: jobs (script.cpp) and behaviours (behavior.cpp). For these two
// files only; every violated rule is thrown as `faulty`, with the field's name.
#pragma once

#include "messages/codec.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa::engine::script {

namespace json = boost::json;
using std::chrono::nanoseconds;

inline constexpr std::size_t depth_max = 64;
inline constexpr double seconds_max = 86'400;

struct faulty {
  std::string why;
};

[[noreturn]] inline void fault(std::string_view key, std::string_view rule) {
  throw faulty{std::string{key} + ": " + std::string{rule}};
}

/// Reads the fields of one object; errors name the field.
class fields_of {
 public:
  fields_of(const json::object& object, std::string prefix = {})
      : object_(object), prefix_(std::move(prefix)) {}

  const json::value* find(std::string_view key) const { return object_.if_contains(key); }
  std::string name(std::string_view key) const { return prefix_ + std::string{key}; }

  bool flag(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return false;
    }
    if (!v->is_bool()) {
      fault(name(key), "true or false is expected");
    }
    return v->get_bool();
  }

  nanoseconds seconds(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return nanoseconds{0};
    }
    if (!v->is_number()) {
      fault(name(key), "a number of seconds is expected");
    }
    const auto number = v->to_number<double>();
    if (!(number >= 0) || number > seconds_max) {
      fault(name(key), "0 to 86400 seconds are allowed");
    }
    return nanoseconds{std::llround(number * 1e9)};
  }

  std::string text(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr || !v->is_string()) {
      fault(name(key), "a text is expected");
    }
    if (v->get_string().size() > protocol::text_bytes_max) {
      fault(name(key), "the text is longer than 64 KiB");
    }
    return std::string{v->get_string()};
  }

  std::uint64_t count(std::string_view key, std::uint64_t max) const {
    const auto* v = find(key);
    if (v == nullptr || !(v->is_int64() || v->is_uint64())) {
      fault(name(key), "a whole number is expected");
    }
    if (v->is_uint64() || v->get_int64() < 0 || static_cast<std::uint64_t>(v->get_int64()) > max) {
      fault(name(key), "0 to " + std::to_string(max) + " are allowed");
    }
    return static_cast<std::uint64_t>(v->get_int64());
  }

  const json::array* list(std::string_view key, std::size_t max) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return nullptr;
    }
    if (!v->is_array()) {
      fault(name(key), "a list is expected");
    }
    if (v->get_array().size() > max) {
      fault(name(key), "at most " + std::to_string(max) + " entries are allowed");
    }
    return &v->get_array();
  }

  /// Requires that every key with this prefix is one of `known`: a misspelt field would silently do
  /// nothing.
  void only(std::string_view prefix, std::initializer_list<std::string_view> known) const {
    for (const auto& member : object_) {
      const std::string_view key{member.key().data(), member.key().size()};
      if (key.starts_with(prefix) && std::find(known.begin(), known.end(), key) == known.end()) {
        fault(name(key.substr(0, 64)), "no such field");
      }
    }
  }

 private:
  const json::object& object_;
  std::string prefix_;
};

inline std::optional<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::error_code failed;
  auto value = json::parse(json::string_view{text.data(), text.size()}, failed, {}, options);
  return failed ? std::nullopt : std::optional{std::move(value)};
}

} // namespace tayfa::engine::script
