#include "runtime/api/record_schema.hpp"

#include "runtime/api/worker_query.hpp"

#include <algorithm>
#include <array>

namespace tayfa::api {

namespace json = boost::json;

namespace {

constexpr std::string_view model_pattern = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$";

json::object or_null(json::object schema) {
  return {{"anyOf", {std::move(schema), {{"type", "null"}}}}};
}

json::array all_words(auto words) {
  json::array out;
  words(out);
  return out;
}

/// These end the program, or keep it from starting: no request meets them.
constexpr std::array codes_of_the_pod = {
    errc::bad_config,  errc::bad_usage,         errc::model_invalid, errc::unfit,
    errc::port_in_use, errc::store_locked,      errc::state_timeout, errc::restart_intensity,
    errc::no_torch,    errc::illegal_transition};

json::array error_codes() {
  return all_words([](json::array& out) {
    const auto add = [&out](errc code) {
      if (std::find(codes_of_the_pod.begin(), codes_of_the_pod.end(), code) ==
          codes_of_the_pod.end()) {
        out.emplace_back(to_string(code));
      }
    };
#define TAYFA_X(code, number, status, text) add(errc::code);
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
  });
}

json::array wait_reasons() {
  return all_words([](json::array& out) {
#define TAYFA_X(name, text)                                                                        \
  if (wait_reason::name != wait_reason::none) {                                                    \
    out.emplace_back(#name);                                                                       \
  }
    TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
  });
}

json::array job_states() {
  return all_words([](json::array& out) {
    for (const auto state : machine_traits<job_state>::states) {
      out.emplace_back(to_string(state));
    }
  });
}

} // namespace

json::object number_schema(std::uint64_t lowest, std::uint64_t highest) {
  json::object out{{"type", "integer"}, {"minimum", lowest}};
  if (highest != 0) {
    out["maximum"] = highest;
  }
  return out;
}

json::object component_schema(std::string_view name) {
  return {{"$ref", "#/components/schemas/" + std::string{name}}};
}

std::string component_of(std::string_view field) {
  std::string out{field};
  out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

json::object sent_schema(std::string_view name, const value_rule& rule, std::int64_t usual) {
  const json::array text_or_null{"string", "null"};
  switch (rule.form) {
  case value_form::json: return {{"type", {"object", "array", "string", "number", "boolean"}}};
  case value_form::time:
  case value_form::number: {
    json::object out{
        {"type", {"integer", "null"}}, {"minimum", rule.lowest}, {"maximum", rule.highest}};
    if (usual > rule.lowest) {
      out["default"] = usual;
    }
    return out;
  }
  case value_form::name:
    return or_null({{"type", "string"},
                    {"pattern", "^[A-Za-z0-9._-]{1," + std::to_string(rule.highest) + "}$"}});
  case value_form::printable:
    return {{"type", text_or_null},
            {"minLength", rule.lowest},
            {"maxLength", rule.highest},
            {"pattern", "^[ -~]*$"}};
  case value_form::model_name:
    return or_null({{"type", "string"}, {"pattern", model_pattern}, {"maxLength", rule.highest}});
  case value_form::url:
    return {{"type", text_or_null},
            {"format", "uri"},
            {"pattern", "^https?://"},
            {"maxLength", rule.highest}};
  case value_form::texts:
  case value_form::object: return or_null(component_schema(component_of(name)));
  case value_form::internal: break;
  }
  return {};
}

schema_collection::schema_collection(json::object prose) : components_(std::move(prose)) {
  const auto id_pattern = [](std::size_t longest) {
    return "^[A-Za-z0-9._-]{1," + std::to_string(longest) + "}$";
  };
  const auto named = [this](std::string_view name) -> json::object& {
    auto& component = components_[name];
    return component.is_object() ? component.get_object() : component.emplace_object();
  };
  named("JobId") = {{"type", "string"}, {"pattern", id_pattern(job_id::max_length)}};
  named("WorkerJob")["type"] = "string";
  named("WorkerJob")["pattern"] = id_pattern(worker_job_length_max);
  const auto lists = {std::pair{"Status", job_states()}, std::pair{"WaitReason", wait_reasons()},
                      std::pair{"ErrorCode", error_codes()}};
  for (const auto& [name, words] : lists) {
    named(name)["enum"] = words;
  }
}

json::value plain_text(schema_collection&) {
  return json::object{{"type", "string"}};
}
json::value some_object(schema_collection&) {
  return json::object{{"type", "object"}};
}

} // namespace tayfa::api
