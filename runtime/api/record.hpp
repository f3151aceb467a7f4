// The fields that an answer shows of a record: one list per record, from which the JSON writer
// (record_writer.hpp), the command line's reader (record_reader.hpp) and the OpenAPI schema
// (record_schema.hpp) are made. The lists themselves are in records.hpp.
//
// A field is read and set through its access: a path of members, or a class with get() and set()
// where the answer shows something else than a member. Knows no JSON library.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tayfa::api {

enum class presence : std::uint8_t {
  always, ///< required in the schema; a missing optional value is null
  if_set, ///< left out while it holds its type's default: no text, 0, none
};

/// The member at the end of this path.
template <auto First, auto... Rest>
struct at {
  static constexpr auto& of(auto& record) { return ((record.*First).*....*Rest); }
  static constexpr const auto& get(const auto& record) { return of(record); }
  static void set(auto& record, auto&& value) { of(record) = std::forward<decltype(value)>(value); }
};

template <presence When, class Access>
struct record_field {
  using access = Access;
  static constexpr presence when = When;
  std::string_view name;
  std::string_view text;        ///< for people; empty: the name says it
  std::uint64_t highest = 0;    ///< of a number; 0: no bound
  std::string_view schema = {}; ///< the component that describes it; empty: its type does
  bool some = false;            ///< a list that is never empty

  constexpr record_field at_most(std::uint64_t number) const {
    return {name, text, number, schema, some};
  }
  constexpr record_field as(std::string_view component) const {
    return {name, text, highest, component, some};
  }
  constexpr record_field never_empty() const { return {name, text, highest, schema, true}; }
};

template <class Access>
constexpr record_field<presence::always, Access> always_by(std::string_view name,
                                                           std::string_view text = {}) {
  return {name, text};
}
template <class Access>
constexpr record_field<presence::if_set, Access> if_set_by(std::string_view name,
                                                           std::string_view text = {}) {
  return {name, text};
}
template <auto... Path>
constexpr auto always(std::string_view name, std::string_view text = {}) {
  return always_by<at<Path...>>(name, text);
}
template <auto... Path>
constexpr auto if_set(std::string_view name, std::string_view text = {}) {
  return if_set_by<at<Path...>>(name, text);
}

/// The record itself.
struct whole {
  static const auto& get(const auto& record) { return record; }
  static void set(auto& record, auto&& value) { record = std::forward<decltype(value)>(value); }
};
/// 0 is shown as null.
template <class Access>
struct null_for_0 {
  static auto get(const auto& record) {
    const auto number = Access::get(record);
    return number == 0 ? std::nullopt : std::optional{number};
  }
  static void set(auto& record, const auto& value) { Access::set(record, value.value_or(0)); }
};
/// The same text in every answer.
template <const auto& Text>
struct constant {
  static constexpr std::string_view fixed{Text};
  static std::string_view get(const auto&) { return fixed; }
};
/// JSON that stands in an answer as it is.
struct json_text {
  std::string_view text;
  bool empty() const { return text.empty(); }
};
template <class Access>
struct as_json {
  static json_text get(const auto& record) { return {Access::get(record)}; }
};

/// The list of the record, or of the records, that an access leads to.
template <const auto& List, class Access>
struct nested : Access {
  static constexpr const auto& list = List;
};

template <class Record, class... Fields>
struct record_list {
  using record = Record;
  std::string_view name; ///< of its schema; empty: it is described where it stands
  std::tuple<Fields...> fields;

  /// Calls `see` with each field, in the order of the answer.
  constexpr void each(auto&& see) const {
    std::apply([&see](const auto&... field) { (see(field), ...); }, fields);
  }
};
template <class Record, class... Fields>
constexpr record_list<Record, Fields...> record_of(std::string_view name, Fields... fields) {
  return {name, {fields...}};
}

/// The part of a record that a field shows.
template <class Record, class Field>
using shown_t = std::remove_cvref_t<decltype(Field::access::get(std::declval<const Record&>()))>;

/// True if the value is not its type's default.
template <class T>
bool is_set(const T& value) {
  if constexpr (requires { value.has_value(); }) {
    return value.has_value();
  } else if constexpr (requires { value.empty(); }) {
    return !value.empty();
  } else {
    return value != T{};
  }
}

} // namespace tayfa::api
