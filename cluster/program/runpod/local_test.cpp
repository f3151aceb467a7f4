#include "cluster/program/runpod/local_test.hpp"

#include "cluster/program/runpod/python_text.hpp"
#include "runtime/api/json_text.hpp"
#include "runtime/base/json_string.hpp"
#include "runtime/base/plain_text.hpp"
#include "runtime/base/text.hpp"
#include "runtime/runpod_worker/contract.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace tayfa {

namespace json = boost::json;

namespace {

std::string_view word_of(log_level level) {
  switch (level) {
  case log_level::debug: return "DEBUG";
  case log_level::info: return "INFO";
  case log_level::warn: return "WARN";
  case log_level::error: return "ERROR";
  }
  return "INFO";
}

/// Text validated by read_test_job and the API, or written by the API.
json::value parsed(std::string_view text) {
  json::parse_options options;
  options.max_depth = api::json_depth_max + 8; // the API wraps a job's output in objects of its own
  boost::system::error_code wrong;
  auto value = json::parse({text.data(), text.size()}, wrong, {}, options);
  return wrong ? json::value{} : value;
}

std::string text_of(const json::value& v) {
  return v.is_string() ? std::string{v.get_string().data(), v.get_string().size()}
                       : json::serialize(v);
}

const json::value* member(const json::value& v, std::string_view name) {
  return v.is_object() ? v.get_object().if_contains({name.data(), name.size()}) : nullptr;
}

test_end failed(const test_job& job, const std::string& why) {
  return {1, {{log_level::error, "Job " + job.id + " failed with error: " + why}}};
}

} // namespace

std::string format_sdk_line(const sdk_line& line, bool on_endpoint) {
  const auto level = word_of(line.level);
  if (!on_endpoint) {
    std::string padded{level};
    padded.resize(7, ' ');
    return padded + "| " + line.text;
  }
  std::string out = "{\"requestId\": null, \"message\": ";
  text::append_json_string(out, line.text);
  return out + ", \"level\": \"" + std::string{level} + "\"}";
}

result<test_job> read_test_job(std::string_view bytes) {
  const auto text = text::without_mark(bytes);
  if (auto valid = api::check_json(text); !valid) {
    return fail(errc::bad_input, "The test input is not valid JSON: " + valid.error().text);
  }
  const auto members = api::json_members(text);
  if (!members) {
    return fail(errc::bad_input, "The test input is not a job: " + members.error().text);
  }
  test_job job;
  job.body = "{";
  bool has_input = false;
  for (const auto& m : *members) {
    if (m.key == "id") {
      const auto id = api::json_string(m.value, runpod::platform_id_max);
      job.id = text::visible(id ? *id : std::string{m.value}, runpod::platform_id_max);
    }
    const bool input = m.key == "input" && m.value != "null";
    has_input = has_input || input;
    // A test ignores the other members, which concern the platform: it calls no webhook.
    if (input || m.key == "policy" || m.key == "model") {
      job.body += job.body.size() > 1 ? "," : "";
      job.body += "\"" + m.key + "\":" + std::string{m.value};
    }
  }
  job.body += "}";
  if (!has_input) {
    return fail(errc::bad_input, "Job has no input parameter. Unable to run.");
  }
  return job;
}

test_end judge_test(const test_job& job, const api::response& answer) {
  const auto shown = parsed(answer.whole_body());
  const auto* status = member(shown, "status");
  if (answer.status != 200 || status == nullptr) {
    const auto* refusal = member(shown, "error");
    const auto* why = refusal == nullptr ? nullptr : member(*refusal, "message");
    return failed(job, why == nullptr ? "no answer" : text_of(*why));
  }
  if (*status != "COMPLETED") {
    const auto* why = member(shown, "error");
    return failed(job, why == nullptr ? text_of(*status) : text_of(*why));
  }
  const auto* output = member(shown, "output");
  const auto sent = runpod::output_body(
      shared_text{output == nullptr ? "null" : json::serialize(*output)}, false);
  if (!sent) {
    return failed(job, sent.error().str());
  }
  const auto result_of_job = parsed(*sent);
  if (const auto* why = member(result_of_job, "error")) {
    return failed(job, text_of(*why));
  }
  return {0,
          {{log_level::info, "Job " + job.id + " completed successfully."},
           {log_level::info, "Job result: " + python_text(result_of_job)},
           {log_level::info, "Local testing complete, exiting."}}};
}

} // namespace tayfa
