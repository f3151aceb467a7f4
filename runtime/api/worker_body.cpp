#include "runtime/api/worker_body.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/query.hpp"
#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace tayfa::api {

namespace {

using members = std::vector<json_member>;

/// Python's json.dumps writes NaN and Infinity as bare words: the likeliest reason by far.
result<members> members_of(std::string_view body, std::string_view what) {
  if (const auto valid = check_json(body); !valid) {
    return fail(errc::job_failed,
                "the worker sent " + std::string{what} +
                    " that is not valid JSON (as NaN and Infinity are not): " + valid.error().text);
  }
  auto found = json_members(body);
  if (!found) {
    return fail(errc::job_failed,
                "the worker sent " + std::string{what} +
                    " that is no object as RunPod's SDK writes it: " + found.error().text);
  }
  return found;
}

std::optional<std::string_view> value_of(const members& all, std::string_view key) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [key](const json_member& each) { return each.key == key; });
  return found == all.end() ? std::nullopt : std::optional{found->value};
}

/// As Python takes it, because the SDK does.
bool is_truthy(std::string_view value) {
  if (value == "null" || value == "false" || value == "\"\"") {
    return false;
  }
  if (value.starts_with('[') || value.starts_with('{')) {
    return value.find_first_not_of(" \t\r\n", 1) != value.size() - 1;
  }
  return json_number(value) != 0.0;
}

std::string error_text(std::string_view value) {
  std::string text = json_string(value, value.size()).value_or(std::string{value});
  if (text.size() > worker_error_bytes) {
    text.resize(text::utf8_prefix(text, worker_error_bytes).size());
    text += " …";
  }
  return text;
}

worker_result failed(worker_result at, std::string text) {
  at.kind = worker_result::what::failed;
  at.error = std::move(text);
  return at;
}

} // namespace

worker_result read_result(std::string body, worker_result at) {
  const auto found = members_of(body, "a result");
  if (!found) {
    return failed(std::move(at), found.error().text);
  }
  const auto output = value_of(*found, "output");
  if (json_string(value_of(*found, "status").value_or("null"), 16) == "IN_PROGRESS") {
    at.kind = worker_result::what::progress;
  } else {
    at.stop_pod = is_truthy(value_of(*found, "stopPod").value_or("null"));
    if (const auto error = value_of(*found, "error"); error && is_truthy(*error)) {
      return failed(std::move(at), error_text(*error));
    }
    at.kind = worker_result::what::completed;
  }
  // The SDK takes an empty object out: `{}` is what a handler that returned {} sends.
  at.output = shared_text{output ? cut_out(std::move(body), *output) : std::string{"{}"}};
  return at;
}

call read_chunk(std::string body, worker_place from, std::string job) {
  const auto found = members_of(body, "a chunk of its stream");
  if (!found) {
    return failed({.from = std::move(from), .job = std::move(job), .output = {}, .error = {}},
                  found.error().text);
  }
  const auto output = value_of(*found, "output");
  return worker_chunk{std::move(from), std::move(job),
                      shared_text{output ? cut_out(std::move(body), *output) : std::string{"{}"}}};
}

} // namespace tayfa::api
