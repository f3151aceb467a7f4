// Writes the fields of a record as members of a JSON object, by its list.
#pragma once

#include "runtime/api/object_writer.hpp"
#include "runtime/api/record.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace tayfa::api {

template <class List>
void put_fields(object_writer& out, const List& list, const typename List::record& record);

template <class List>
void put_object(object_writer& out, const List& list, const typename List::record& record) {
  out.object([&] { put_fields(out, list, record); });
}

inline std::string_view plain_text_of(const std::string& text) {
  return text;
}
inline std::string_view plain_text_of(const job_id& id) {
  return id.str();
}

template <class T>
void put_value(object_writer& out, std::string_view name, const T& value) {
  if constexpr (requires { value.has_value(); }) {
    value ? put_value(out, name, *value) : static_cast<void>(out.raw(name, "null"));
  } else if constexpr (std::same_as<T, bool>) {
    out.flag(name, value);
  } else if constexpr (std::unsigned_integral<T>) {
    out.number(name, value);
  } else if constexpr (std::same_as<T, milliseconds>) {
    out.time(name, value);
  } else if constexpr (std::same_as<T, slot_id>) {
    out.number(name, value.value);
  } else if constexpr (std::same_as<T, shared_text>) {
    out.shared(name, value);
  } else if constexpr (std::same_as<T, json_text>) {
    out.raw(name, value.text);
  } else if constexpr (std::is_enum_v<T>) {
    out.text(name, to_string(value));
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    out.text(name, value);
  } else if constexpr (std::same_as<T, job_id>) {
    out.text(name, value.str());
  } else {
    out.key(name).list(value, [&out](const auto& each) { out.item(plain_text_of(each)); });
  }
}

template <class Field, class Record>
void put_field(object_writer& out, const Field& field, const Record& record) {
  using access = typename Field::access;
  const auto& value = access::get(record);
  if constexpr (Field::when == presence::if_set) {
    if (!is_set(value)) {
      return;
    }
  }
  if constexpr (!requires { access::list; }) {
    put_value(out, field.name, value);
  } else if constexpr (requires { value.begin(); }) {
    out.key(field.name).list(value, [&out](const auto& each) {
      put_object(out, access::list, each);
    });
  } else {
    put_object(out.key(field.name), access::list, value);
  }
}

template <class List>
void put_fields(object_writer& out, const List& list, const typename List::record& record) {
  list.each([&](const auto& field) { put_field(out, field, record); });
}

/// The record as one JSON object.
template <class List>
std::string object_text(const List& list, const typename List::record& record,
                        std::size_t reserve = 256) {
  object_writer out{reserve};
  put_fields(out, list, record);
  return out.done();
}

} // namespace tayfa::api
