// Reads a record out of a pod's answer, by its list of fields: the command line's side of
// record_writer.hpp. Fields that the list does not have are ignored, and so is a word of a later
// release in a field that may be absent; a required field that is missing, and any field of another
// kind, is an error that names it.
//
// Fields that are only shown (an access without set()) are not read.
#pragma once

#include "messages/error.hpp"
#include "messages/job.hpp"
#include "runtime/api/record.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::api {

std::optional<std::uint64_t> number_in(const boost::json::value&, std::uint64_t highest);

// By their names; false for others.
bool read_word(std::string_view word, job_state& to);
bool read_word(std::string_view word, engine_state& to);
bool read_word(std::string_view word, wait_reason& to);
bool read_word(std::string_view word, cause& to);
bool read_word(std::string_view word, errc& to);

enum class reading : std::uint8_t { done, wrong, unknown_word };

template <class T>
reading read_value(const boost::json::value& from, T& to) {
  const auto* const text = from.if_string();
  if constexpr (requires { to.emplace(); }) {
    if (from.is_null()) {
      return reading::done;
    }
    const reading found = read_value(from, to.emplace());
    if (found != reading::done) {
      to.reset();
    }
    return found;
  } else if constexpr (std::same_as<T, bool>) {
    to = from.is_bool() && from.get_bool();
    return from.is_bool() ? reading::done : reading::wrong;
  } else if constexpr (std::unsigned_integral<T>) {
    const auto number = number_in(from, std::numeric_limits<T>::max());
    to = static_cast<T>(number.value_or(0));
    return number ? reading::done : reading::wrong;
  } else if constexpr (std::same_as<T, milliseconds>) {
    const auto number = number_in(from, std::numeric_limits<std::int64_t>::max());
    to = milliseconds{static_cast<std::int64_t>(number.value_or(0))};
    return number ? reading::done : reading::wrong;
  } else if constexpr (std::same_as<T, slot_id>) {
    return read_value(from, to.value);
  } else if constexpr (std::is_enum_v<T>) {
    return text == nullptr                          ? reading::wrong
           : read_word(std::string_view{*text}, to) ? reading::done
                                                    : reading::unknown_word;
  } else if constexpr (std::same_as<T, job_id>) {
    auto id = text != nullptr ? job_id::parse(std::string_view{*text}) : std::nullopt;
    to = std::move(id).value_or(job_id{});
    return to.empty() ? reading::wrong : reading::done;
  } else if constexpr (std::same_as<T, std::string>) {
    to = text != nullptr ? std::string{std::string_view{*text}} : std::string{};
    return text != nullptr ? reading::done : reading::wrong;
  } else {
    const auto* const list = from.if_array();
    if (list == nullptr) {
      return reading::wrong;
    }
    for (const auto& each : *list) {
      if (read_value(each, to.emplace_back()) != reading::done) {
        return reading::wrong;
      }
    }
    return reading::done;
  }
}

template <class List>
result<typename List::record> read_record(const List& list, const boost::json::object& from);

/// Reads one record, or all of a list.
template <class T, class List>
result<T> read_nested(const List& list, const boost::json::value& from) {
  if constexpr (std::same_as<T, typename List::record>) {
    return from.is_object() ? read_record(list, from.get_object())
                            : fail(errc::bad_json, "is no object");
  } else {
    T all;
    if (!from.is_array()) {
      return fail(errc::bad_json, "is no list");
    }
    for (const auto& each : from.get_array()) {
      auto one = read_nested<typename List::record>(list, each);
      if (!one) {
        return fail(one.error());
      }
      all.push_back(std::move(*one));
    }
    return all;
  }
}

inline error wrong_field(std::string_view name, std::string_view why) {
  return {errc::bad_json, std::string{name} + ' ' + std::string{why}};
}

/// The type that set() of an access takes.
template <class Record, class Field>
struct stored {
  using type = shown_t<Record, Field>;
};
template <class Record, class Field>
  requires std::ranges::range<shown_t<Record, Field>> && requires { Field::access::list; }
struct stored<Record, Field> {
  using type = std::vector<std::ranges::range_value_t<shown_t<Record, Field>>>;
};

template <class Record, class Field>
result<void> read_field(const Field& field, const boost::json::object& from, Record& to) {
  using access = typename Field::access;
  typename stored<Record, Field>::type value{};
  if constexpr (requires { access::set(to, value); }) {
    const auto* const found = from.if_contains(field.name);
    if (found == nullptr) {
      return Field::when == presence::if_set ? result<void>{}
                                             : fail(wrong_field(field.name, "is missing"));
    }
    if constexpr (requires { access::list; }) {
      auto read = read_nested<typename stored<Record, Field>::type>(access::list, *found);
      if (!read) {
        return fail(wrong_field(field.name, read.error().text));
      }
      access::set(to, std::move(*read));
      return {};
    } else {
      switch (read_value(*found, value)) {
      case reading::done: access::set(to, std::move(value)); break;
      case reading::wrong: return fail(wrong_field(field.name, "is of another kind"));
      case reading::unknown_word:
        if (Field::when == presence::always) {
          return fail(wrong_field(field.name, "has a value that this release does not know"));
        }
        break;
      }
    }
  }
  return {};
}

template <class List>
result<void> read_into(const List& list, const boost::json::object& from,
                       typename List::record& to) {
  result<void> all;
  list.each([&](const auto& field) {
    if (all) {
      all = read_field(field, from, to);
    }
  });
  return all;
}

template <class List>
result<typename List::record> read_record(const List& list, const boost::json::object& from) {
  typename List::record out{};
  const auto read = read_into(list, from, out);
  return read ? result<typename List::record>{std::move(out)} : fail(read.error());
}

} // namespace tayfa::api
