// Any bytes as an HTTP request: a call within the bounds that its parts have, or a refusal that is
// JSON of a known shape.
#include "runtime/api/call.hpp"
#include "runtime/api/openai_events.hpp"
#include "runtime/api/python_literal.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/shape.hpp"
#include "runtime/api/worker_body.hpp"
#include "runtime/api/worker_query.hpp"

#include "tests/fuzz/api_request.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <boost/json.hpp>

using namespace tayfa;

namespace {

bool is_valid(std::string_view text) {
  boost::system::error_code broken;
  boost::json::parse_options deep;
  deep.max_depth = 64;
  boost::json::parse(text, broken, {}, deep);
  return !broken;
}

bool within(std::optional<milliseconds> time, milliseconds lowest, milliseconds highest) {
  return !time || (*time >= lowest && *time <= highest);
}

bool nothing_or_name(const std::string& text) {
  return text.empty() || api::is_name(text);
}

void check(const job_policy& policy) {
  using p = job_policy;
  fuzz::require(policy.priority <= p::priority_max, "a priority is a digit");
  fuzz::require(
      within(policy.execution_timeout, p::execution_timeout_min, p::execution_timeout_max) &&
          within(policy.ttl, p::ttl_min, p::ttl_max) &&
          within(policy.deadline, milliseconds{0}, p::deadline_max) &&
          within(policy.delay, milliseconds{0}, p::delay_max),
      "every time of a policy is within its bounds");
  fuzz::require(nothing_or_name(policy.tenant), "a tenant is a name");
  const auto& key = policy.idempotency_key;
  fuzz::require(
      key.size() <= p::idempotency_max &&
          std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c < 0x7F; }),
      "an idempotency key is short and printable");
}

void check(const job_filter& filter) {
  fuzz::require(filter.limit >= 1 && filter.limit <= job_filter::limit_max &&
                    nothing_or_name(filter.tenant.value_or("")) &&
                    nothing_or_name(filter.model.value_or("")),
                "a list is bounded");
}

void check(const api::worker_place& from) {
  fuzz::require(api::is_worker_name(from.worker), "a worker's name is an id");
  fuzz::require(from.device.size() <= api::device_bytes_max, "a device's name is short");
}

void check_worker(const api::call& call) {
  if (const auto* take = std::get_if<api::take_jobs>(&call)) {
    check(take->from);
    fuzz::require(take->wanted >= 1 && take->wanted <= api::take_max, "a batch is bounded");
  }
  if (const auto* poll = std::get_if<api::poll_stops>(&call)) {
    check(poll->from);
  }
  if (const auto* ping = std::get_if<api::worker_ping>(&call)) {
    check(ping->from);
    fuzz::require(std::all_of(ping->jobs.begin(), ping->jobs.end(),
                              [](const auto& each) { return api::is_worker_job(each); }),
                  "a worker holds jobs with names");
    fuzz::require(ping->version.size() <= api::version_bytes_max &&
                      ping->unfit.size() <= api::unfit_bytes_max,
                  "what a worker says of itself is short");
  }
  if (const auto* brought = std::get_if<api::worker_result>(&call)) {
    check(brought->from);
    using what = api::worker_result::what;
    fuzz::require(api::is_worker_job(brought->job), "a result is some job's");
    if (brought->kind == what::failed) {
      fuzz::require(!brought->error.empty() &&
                        brought->error.size() <= api::worker_error_bytes + 8 &&
                        brought->output.empty(),
                    "a failure says why, at no great length");
    } else {
      fuzz::require(brought->error.empty() && is_valid(brought->output.view()),
                    "an output is JSON by itself");
    }
  }
  if (const auto* chunk = std::get_if<api::worker_chunk>(&call)) {
    check(chunk->from);
    fuzz::require(api::is_worker_job(chunk->job) && is_valid(chunk->output.view()),
                  "a chunk is some job's, and JSON");
  }
}

void check(const api::call& call) {
  check_worker(call);
  if (const auto* submit = std::get_if<api::submit>(&call)) {
    const auto& job = submit->job;
    fuzz::require(is_valid(job.input.view()), "an accepted input is JSON by itself");
    fuzz::require(nothing_or_name(job.model), "a model is a name");
    fuzz::require(!job.shape.empty() && job.shape.size() <= api::shape_length_max,
                  "a shape is short");
    fuzz::require(job.shape == api::shape_of(job.input.view()), "a shape is the input's");
    fuzz::require(job.s3_config.empty() || is_valid(job.s3_config), "an s3Config is JSON");
    check(job.policy);
  }
  if (const auto* asked = std::get_if<api::openai>(&call)) {
    fuzz::require(is_valid(asked->job.input.view()) &&
                      asked->job.input.view().starts_with(R"({"openai_route":"/v1/)"),
                  "a call of OpenAI's API is an input for RunPod's workers");
    check(asked->job.policy);
  }
  if (const auto* list = std::get_if<list_jobs>(&call)) {
    check(list->filter);
  }
  if (const auto* list = std::get_if<api::list_requests>(&call)) {
    check(list->ask.filter);
  }
  if (const auto* status = std::get_if<api::status>(&call)) {
    fuzz::require(within(status->ask.keep, job_policy::ttl_min, job_policy::ttl_max),
                  "a result is kept within bounds");
  }
  if (const auto* drain = std::get_if<drain_slot>(&call)) {
    fuzz::require(drain->slot.value < slots_max, "a slot has a small number");
  }
  if (const auto* drain = std::get_if<drain_pod>(&call)) {
    fuzz::require(!drain->pod.empty() && drain->pod.size() <= pod_text_max, "a pod has a name");
  }
  if (const auto* text = std::get_if<make_join_text>(&call)) {
    fuzz::require(text->minutes >= 1 && text->minutes <= token_minutes_max,
                  "a join string expires");
  }
  if (const auto* resize = std::get_if<resize_slots>(&call)) {
    fuzz::require(resize->count <= slots_max, "there are not too many slots");
  }
}

bool is_fault(const api::response& answer) {
  boost::system::error_code broken;
  const auto body = boost::json::parse(answer.whole_body(), broken);
  const auto* const object = broken ? nullptr : body.if_object();
  const auto* const error = object == nullptr ? nullptr : object->if_contains("error");
  return error != nullptr && error->is_object() && error->as_object().contains("message");
}

/// Renders any worker output as an answer of OpenAI's API.
void check_openai_answers(const std::string& text) {
  job_view failed;
  failed.state = job_state::FAILED;
  failed.failure = error{errc::job_failed, text};
  const auto fault = api::openai_answer(api::openai_fault_of(failed));
  fuzz::require(fault.status >= 400 && fault.status < 600 && is_fault(fault),
                "a failed job is an error of OpenAI's form");
  if (const auto json = api::json_of_python(text)) {
    fuzz::require(is_valid(*json), "what Python wrote is JSON");
  }
  if (!is_valid(text)) {
    return;
  }
  const auto whole = api::openai_output(shared_text{text});
  fuzz::require(whole.status == 200 || is_fault(whole), "an output is an answer or an error");
  api::openai_events events;
  for (int i = 0; i < 3; ++i) {
    const auto some = events.take(text);
    fuzz::require(!some || some->empty() || some->ends_with('\n') || some->ends_with('\r'),
                  "only whole events leave");
  }
  (void)events.finish();
  fuzz::require(events.finish().empty(), "a stream ends once");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto request = fuzz::request_of({reinterpret_cast<const char*>(bytes), size});
  check_openai_answers(request.body);
  const auto call = api::parse(request, api::limits{});
  fuzz::require(!call || api::read_head(request.method, request.target, api::limits{}),
                "what is taken was not refused by its head");
  if (call) {
    check(*call);
    return 0;
  }
  if (call.error().status < 300) {
    fuzz::require(request.method == "OPTIONS" || request.method == "HEAD",
                  "only the head of a request is answered without a call");
    return 0;
  }
  fuzz::require(call.error().status >= 400 && call.error().status < 600,
                "a refusal has an error's status");
  boost::system::error_code broken;
  const auto body = boost::json::parse(call.error().body, broken);
  fuzz::require(!broken && body.is_object() && body.as_object().contains("error"),
                "a refusal says why, in JSON");
  // The parsers of small texts must also handle unchecked text.
  (void)api::shape_of(request.body);
  return 0;
}
