// Errors of jobs and of workers, in OpenAI's form.
#include "runtime/api/json_text.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/api/openai.hpp"
#include "runtime/api/python_literal.hpp"

#include <algorithm>

namespace tayfa::api {

namespace {

/// Larger outputs always count as results.
constexpr std::size_t fault_bytes_max = std::size_t{64} << 10;
constexpr std::size_t type_bytes_max = 128;

using members = std::vector<json_member>;

std::string_view type_of(unsigned status) {
  switch (status) {
  case 401: return "authentication_error";
  case 403: return "permission_error";
  case 404: return "not_found_error";
  case 409: return "conflict_error";
  case 429: return "rate_limit_error";
  case 504: return "timeout_error";
  default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

/// The end of a job is an error here, where RunPod's envelope has 200.
unsigned status_of(errc code) {
  if (code == errc::execution_timeout || code == errc::ttl_expired) {
    return 504;
  }
  if (code == errc::cancelled) {
    return 409;
  }
  return http_status(code) < 400 ? 500 : http_status(code);
}

std::string_view value_of(const members& all, std::string_view key) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [key](const json_member& each) { return each.key == key; });
  return found == all.end() ? std::string_view{} : found->value;
}

/// {"message", "type", "param", "code"}, as far as they are there.
openai_fault fault_from(const members& said) {
  openai_fault fault;
  const auto text = [&said](std::string_view key, std::size_t longest) {
    return json_string(value_of(said, key), longest).value_or(std::string{});
  };
  fault.message = text("message", fault_bytes_max);
  fault.type = text("type", type_bytes_max);
  const auto simple = [](std::string_view value) {
    return !value.empty() && value.size() <= type_bytes_max && !value.starts_with('{') &&
           !value.starts_with('[');
  };
  if (const auto param = value_of(said, "param"); simple(param)) {
    fault.param = param;
  }
  if (const auto code = value_of(said, "code"); simple(code)) {
    fault.code = code;
    const double number = json_number(code).value_or(0);
    fault.status = number >= 400 && number <= 599 ? static_cast<unsigned>(number) : fault.status;
  }
  return fault;
}

std::optional<openai_fault> fault_in(std::string_view output) {
  if (output.size() > fault_bytes_max || !output.starts_with('{')) {
    return std::nullopt;
  }
  const auto said = json_members(output);
  if (!said) {
    return std::nullopt;
  }
  const auto object = value_of(*said, "object");
  if (!object.empty() && object != R"("error")") {
    return std::nullopt; // a result may have a member of that name
  }
  const auto inner = value_of(*said, "error");
  if (inner.starts_with('{')) {
    const auto inside = json_members(inner);
    return inside ? std::optional{fault_from(*inside)} : std::nullopt;
  }
  if (inner.starts_with('"') && inner != R"("")") {
    openai_fault fault;
    fault.message = json_string(inner, fault_bytes_max).value_or(std::string{});
    return fault;
  }
  return object.empty() ? std::nullopt : std::optional{fault_from(*said)};
}

/// Parses a worker's failure text.
openai_fault fault_of_text(std::string_view text) {
  std::string json{text};
  if (!check_json(json)) {
    json = json_of_python(text).value_or(std::string{});
  }
  if (const auto said = json.starts_with('{') ? json_members(json) : fail(errc::bad_json)) {
    if (auto fault = fault_in(json)) {
      return *fault;
    }
    // RunPod's SDK, of a handler that raised; where it did so is for /status.
    if (const auto raised = value_of(*said, "error_message"); raised.starts_with('"')) {
      openai_fault fault;
      fault.message = json_string(raised, raised.size()).value_or(std::string{});
      return fault;
    }
    if (!value_of(*said, "message").empty()) {
      return fault_from(*said);
    }
  }
  openai_fault fault;
  fault.message = text.substr(0, text.find(" \ntraceback: "));
  return fault;
}

} // namespace

std::string openai_fault_text(const openai_fault& fault) {
  const std::string_view type = fault.type.empty() ? type_of(fault.status) : fault.type;
  const std::string inner = object_writer{}
                                .text("message", fault.message)
                                .text("type", type)
                                .raw("param", fault.param)
                                .raw("code", fault.code)
                                .done();
  return object_writer{}.raw("error", inner).done();
}

response openai_answer(const openai_fault& fault) {
  response answer;
  answer.status = fault.status;
  answer.body = openai_fault_text(fault);
  if (fault.status != 429 && fault.status != 503) {
    answer.headers.emplace_back("x-should-retry", "false");
  }
  return answer;
}

openai_fault openai_fault_of(const error& e) {
  openai_fault fault;
  fault.status = status_of(e.code);
  fault.message = tayfa::describe(e.code);
  if (!e.text.empty()) {
    fault.message += ": " + e.text;
  }
  fault.code = '"' + std::string{to_string(e.code)} + '"';
  return fault;
}

openai_fault openai_fault_of(const job_view& view) {
  const error why = view.failure.value_or(
      error{view.state == job_state::CANCELLED ? errc::cancelled : errc::job_failed, {}});
  if (why.code != errc::job_failed || why.text.empty()) {
    return openai_fault_of(why);
  }
  auto fault = fault_of_text(why.text);
  if (fault.message.empty()) {
    fault.message = tayfa::describe(why.code);
  }
  if (fault.code == "null") {
    fault.code = R"("job_failed")";
  }
  return fault;
}

std::optional<openai_fault> openai_fault_in(std::string_view output) {
  auto fault = fault_in(output);
  if (fault && fault->message.empty()) {
    fault->message = tayfa::describe(errc::job_failed);
  }
  return fault;
}

response openai_refusal(response refused) {
  if (refused.status < 400 || refused.stream || !refused.more.empty() ||
      !refused.body.starts_with(R"({"error":{"code":)")) {
    return refused;
  }
  const auto outer = json_members(refused.body);
  const auto inner = outer ? json_members(outer->front().value) : fail(errc::bad_json);
  if (inner) {
    openai_fault fault = fault_from(*inner);
    fault.type = type_of(refused.status);
    refused.body = openai_fault_text(fault);
  }
  return refused;
}

} // namespace tayfa::api
