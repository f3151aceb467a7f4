// Every field of a client's request, once: its name in JSON, its member, what it may hold, whether
// it is part of the fingerprint, whether it is a secret, and a description for people. Derived are
// the parser (runtime/api), the OpenAPI schema, the fingerprint of idempotency keys (runtime/core)
// and the body that the command line sends.
//
// A field must say what it means to the fingerprint, and a member without a field does not compile
// (runtime/core/request_fingerprint.cpp). Stores keep fingerprints, so the order of the fields that
// are always part of it is frozen.
#pragma once

#include "messages/job.hpp"
#include "messages/model_name.hpp"

#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>

namespace tayfa {

/// Two requests with one idempotency key and different values of the field: are they different?
enum class fingerprint_part : std::uint8_t {
  always,
  if_set, ///< for later fields: left out while it holds its default, so that stored ones still match
  no,
};

/// The values that a field may hold.
enum class value_form : std::uint8_t {
  internal,   ///< no client sends it
  json,       ///< anything but null
  time,       ///< whole milliseconds
  number,     ///< whole
  name,       ///< of [A-Za-z0-9._-]
  printable,  ///< ASCII
  model_name, ///< model_name_rule
  url,        ///< http or https
  texts,      ///< an object of texts, kept as it was written
  object,     ///< with a list of its own
};

struct value_rule {
  value_form form = value_form::internal;
  std::int64_t lowest = 0;
  std::int64_t highest = 0; ///< of a number or a time; of texts the bytes
};
constexpr value_rule between(milliseconds lowest, milliseconds highest) {
  return {value_form::time, lowest.count(), highest.count()};
}
constexpr value_rule longest(value_form form, std::size_t bytes) {
  return {form, 1, static_cast<std::int64_t>(bytes)};
}

enum class secrecy : bool { shown, secret };

template <class Record, class T>
struct request_field {
  std::string_view name; ///< in a client's JSON; empty: no client sends it
  T Record::*member;
  fingerprint_part print;
  value_rule rule{};
  std::string_view text{};
  secrecy kept = secrecy::shown;
};
template <class Record, class T, class... Rest>
request_field(const char*, T Record::*, fingerprint_part, Rest...) -> request_field<Record, T>;

inline constexpr std::size_t webhook_length_max = 2048;
inline constexpr std::size_t s3_config_bytes_max = 4096;

inline constexpr auto policy_fields = std::tuple{
    request_field{"executionTimeout", &job_policy::execution_timeout, fingerprint_part::always,
                  between(job_policy::execution_timeout_min, job_policy::execution_timeout_max),
                  "Longest time of one attempt."},
    request_field{"ttl", &job_policy::ttl, fingerprint_part::always,
                  between(job_policy::ttl_min, job_policy::ttl_max),
                  "Longest life of the job, from its acceptance."},
    request_field{"deadline", &job_policy::deadline, fingerprint_part::always,
                  between(milliseconds{0}, job_policy::deadline_max),
                  "The job should end this long after acceptance; affects the order only."},
    request_field{"delay", &job_policy::delay, fingerprint_part::always,
                  between(milliseconds{0}, job_policy::delay_max),
                  "The job starts this long after acceptance, or later."},
    request_field{"priority", &job_policy::priority, fingerprint_part::always,
                  value_rule{value_form::number, 0, job_policy::priority_max},
                  "0 may wait, 9 is the most urgent."},
    request_field{"tenant", &job_policy::tenant, fingerprint_part::no, // the key is the tenant's
                  longest(value_form::name, job_policy::name_max),
                  "The tenant whose share the job uses; a tenant's key sets it."},
    request_field{"idempotencyKey", &job_policy::idempotency_key, fingerprint_part::no,
                  longest(value_form::printable, job_policy::idempotency_max)},
};

inline constexpr auto request_fields = std::tuple{
    request_field{"", &job_request::endpoint, fingerprint_part::no}, // the key is the endpoint's
    request_field{"model", &job_request::model, fingerprint_part::always,
                  longest(value_form::model_name, model_name_max),
                  "A name of the catalogue; absent: the first."},
    request_field{"", &job_request::shape, fingerprint_part::no}, // made of the input
    request_field{"input", &job_request::input, fingerprint_part::always,
                  value_rule{value_form::json},
                  "Anything but null. The pod does not fetch addresses in it; a handler may."},
    request_field{"policy", &job_request::policy, fingerprint_part::always,
                  value_rule{value_form::object}},
    request_field{"webhook", &job_request::webhook, fingerprint_part::always,
                  longest(value_form::url, webhook_length_max),
                  "An http or https URL of a public address; called when the job has ended."},
    request_field{"s3Config", &job_request::s3_config, fingerprint_part::always,
                  longest(value_form::texts, s3_config_bytes_max), "", secrecy::secret},
    request_field{"", &job_request::origin, fingerprint_part::no}, // its jobs have no key
    request_field{"", &job_request::sync, fingerprint_part::always},
};

/// The list of a record that is a member of another.
constexpr const auto& fields_of(const job_policy&) {
  return policy_fields;
}
constexpr const auto& fields_of(const job_request&) {
  return request_fields;
}

/// Calls `see` with each field of a list.
constexpr void each_field(const auto& list, auto&& see) {
  std::apply([&see](const auto&... field) { (see(field), ...); }, list);
}

} // namespace tayfa
