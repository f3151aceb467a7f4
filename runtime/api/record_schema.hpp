// Describes records as OpenAPI schemas, by their lists of fields. A schema_collection
// collects those that have a name: the document's components.
#pragma once

#include "messages/error.hpp"
#include "messages/job.hpp"
#include "messages/request_fields.hpp"
#include "runtime/api/record.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <ranges>
#include <set>
#include <string>
#include <string_view>

namespace tayfa::api {

boost::json::object number_schema(std::uint64_t lowest, std::uint64_t highest); ///< 0: no bound
boost::json::object component_schema(std::string_view name);                    ///< a reference
std::string component_of(std::string_view field); ///< "S3Config" of s3Config
/// The schema of a field that clients send. `usual`: the number that an absent field means, if that
/// is not the lowest.
boost::json::object sent_schema(std::string_view name, const value_rule&, std::int64_t usual);

class schema_collection {
 public:
  /// `prose`: what is written by hand of the components. Lists add their fields to it.
  explicit schema_collection(boost::json::object prose);
  boost::json::object done() && { return std::move(components_); }

  /// The schema of a record in answers.
  template <class List>
  boost::json::object shown(const List& list);
  /// The schema of a record in requests.
  template <class Record>
  boost::json::object sent(std::string_view component);

 private:
  template <class Value, class Field>
  boost::json::object of_value(const Field&);
  template <class List>
  void add_fields(const List&, boost::json::object& to);

  boost::json::object components_;
  std::set<std::string, std::less<>> added_;
};

template <class List>
boost::json::object schema_collection::shown(const List& list) {
  boost::json::object here;
  if (list.name.empty()) {
    add_fields(list, here);
    return here;
  }
  if (added_.emplace(list.name).second) {
    here = components_[list.name].is_object() ? components_[list.name].get_object()
                                              : boost::json::object{};
    add_fields(list, here);
    components_[list.name] = std::move(here);
  }
  return component_schema(list.name);
}

template <class List>
void schema_collection::add_fields(const List& list, boost::json::object& to) {
  boost::json::object properties;
  boost::json::array required;
  list.each([&]<class Field>(const Field& field) {
    using value = shown_t<typename List::record, Field>;
    auto described = of_value<value>(field);
    if (!field.text.empty()) {
      described["description"] = field.text;
    }
    properties[field.name] = std::move(described);
    if (Field::when == presence::always) {
      required.emplace_back(field.name);
    }
  });
  to["type"] = "object";
  to["required"] = std::move(required);
  to["properties"] = std::move(properties);
}

template <class Value, class Field>
boost::json::object schema_collection::of_value(const Field& field) {
  using access = typename Field::access;
  constexpr bool is_list =
      std::ranges::range<Value> && !std::convertible_to<Value, std::string_view>;
  if constexpr (requires { access::fixed; }) {
    return {{"const", access::fixed}};
  } else if constexpr (is_list) {
    boost::json::object out{{"type", "array"}};
    if constexpr (requires { access::list; }) {
      out["items"] = shown(access::list);
    } else {
      out["items"] = of_value<std::ranges::range_value_t<Value>>(field);
    }
    if (field.some) {
      out["minItems"] = 1;
    }
    return out;
  } else if constexpr (requires { access::list; }) {
    return shown(access::list);
  } else if constexpr (requires(const Value& value) { value.has_value(); }) {
    using inner = typename Value::value_type;
    auto out = of_value<inner>(field);
    if (Field::when == presence::always) {
      out["type"] = boost::json::array{out["type"], "null"};
    }
    return out;
  } else if (!field.schema.empty()) {
    return component_schema(field.schema);
  } else if constexpr (std::same_as<Value, job_id>) {
    return component_schema("JobId");
  } else if constexpr (std::same_as<Value, job_state>) {
    return component_schema("Status");
  } else if constexpr (std::same_as<Value, wait_reason>) {
    return component_schema("WaitReason");
  } else if constexpr (std::same_as<Value, errc>) {
    return component_schema("ErrorCode");
  } else if constexpr (std::same_as<Value, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::integral<Value> || std::same_as<Value, milliseconds> ||
                       std::same_as<Value, slot_id>) {
    return number_schema(0, field.highest);
  } else if constexpr (std::same_as<Value, shared_text>) {
    return {};
  } else {
    return {{"type", "string"}};
  }
}

template <class Record>
boost::json::object schema_collection::sent(std::string_view component) {
  if (!added_.emplace(component).second) {
    return component_schema(component);
  }
  auto out = components_[component].is_object() ? components_[component].get_object()
                                                : boost::json::object{};
  boost::json::object properties =
      out["properties"].is_object() ? out["properties"].get_object() : boost::json::object{};
  boost::json::array required;
  const Record usual{};
  each_field(fields_of(usual), [&]<class T>(const request_field<Record, T>& field) {
    if (field.name.empty()) {
      return;
    }
    std::int64_t number = 0;
    if constexpr (std::integral<T>) {
      number = usual.*field.member;
    } else if constexpr (requires { fields_of(usual.*field.member); }) {
      sent<T>(component_of(field.name));
    }
    auto described = sent_schema(field.name, field.rule, number);
    if (!field.text.empty()) {
      described["description"] = field.text;
    }
    if (field.kept == secrecy::secret) {
      described["writeOnly"] = true;
    }
    if (field.rule.form == value_form::json) {
      required.emplace_back(field.name);
    }
    properties[field.name] = std::move(described);
  });
  out["type"] = "object";
  if (!required.empty()) {
    out["required"] = std::move(required);
  }
  out["properties"] = std::move(properties);
  components_[component] = std::move(out);
  return component_schema(component);
}

// ---- the schemas of answers, for the table of routes --------------------------------------------

template <const auto& List>
boost::json::value shows(schema_collection& schemas) {
  return schemas.shown(List);
}
/// A list of at least one.
template <const auto& List>
boost::json::value shows_some(schema_collection& schemas) {
  return boost::json::object{{"type", "array"}, {"minItems", 1}, {"items", schemas.shown(List)}};
}
boost::json::value plain_text(schema_collection&);
boost::json::value some_object(schema_collection&);

} // namespace tayfa::api
