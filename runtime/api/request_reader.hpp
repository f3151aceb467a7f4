// Reads the members of a client's JSON into a record, by the record's list of fields
// (messages/request_fields.hpp). Pure.
#pragma once

#include "messages/request_fields.hpp"
#include "runtime/api/json_text.hpp"
#include "runtime/api/policy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::api {

/// The value of a whole number or a time, or the refusal that names the field and its bounds.
result<std::int64_t> number_of(const json_member&, std::string_view where, const value_rule&);
/// Likewise of a text.
result<std::string> text_of(const json_member&, std::string_view where, const value_rule&);

/// A text of this form, at most as long as the rule says.
bool fits(const value_rule&, std::string_view text);
/// The form in words: "1 to 64 characters of [A-Za-z0-9._-]".
std::string rule_text(const value_rule&);

template <class T>
result<void> take_value(const json_member& from, std::string_view where, const value_rule& rule,
                        T& to) {
  const auto take = [&to](auto value) -> result<void> {
    return value ? (to = T(std::move(*value)), result<void>{}) : fail(value.error());
  };
  if constexpr (std::same_as<T, std::string>) {
    return take(text_of(from, where, rule));
  } else if constexpr (std::same_as<T, job_policy>) {
    return take(policy_of(from.value));
  } else if constexpr (std::integral<T>) {
    return take(number_of(from, where, rule));
  } else {
    const auto number = number_of(from, where, rule);
    return number ? (to = milliseconds{*number}, result<void>{}) : fail(number.error());
  }
}

/// Takes the member when one of the list's fields has its name; null is like a member that is not
/// there. `where` stands before the field's name in a refusal: "policy.".
template <class Record>
result<void> take_member(const json_member& from, std::string_view where, Record& to) {
  result<void> taken;
  each_field(fields_of(to), [&]<class T>(const request_field<Record, T>& field) {
    if constexpr (!std::same_as<T, shared_text>) { // who reads the body cuts the input out of it
      if (!field.name.empty() && field.name == from.key && from.value != "null") {
        taken = take_value(from, where, field.rule, to.*field.member);
      }
    }
  });
  return taken;
}

} // namespace tayfa::api
