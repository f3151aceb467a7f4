#include "runtime/base/utf8.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/runpod_worker/url_text.hpp"

#include <algorithm>

namespace tayfa::runpod {

namespace {

constexpr std::string_view agent = "Tayfa/" TAYFA_VERSION " (RunPod-Python-SDK/1.12.0 compatible)";
constexpr std::string_view take_part = "/job-take/";
constexpr std::size_t stop_bytes_max = std::size_t{1} << 20;
constexpr std::size_t post_bytes_max = std::size_t{1} << 20;
constexpr std::size_t ping_ids_max = 65'536 - 1; // the SDK's buffer ends with a zero byte
constexpr std::size_t reason_characters_max = 256;
constexpr std::size_t check_bytes_max = 128;
constexpr milliseconds unhealthy_timeout{2'000};
constexpr milliseconds result_timeout{120'000};
constexpr milliseconds chunk_timeout{60'000};
/// Jobs and results of 20 MB must pass over slow connections too.
constexpr std::uint64_t platform_least_rate = 1'024;

outgoing_call call_of(std::string method, std::string url, milliseconds timeout) {
  outgoing_call call;
  call.method = std::move(method);
  call.url = std::move(url);
  call.timeout = timeout;
  call.least_rate = platform_least_rate;
  call.guarded = false; // the platform's own addresses, from the pod's environment
  call.compressed = true;
  call.user_agent = agent;
  return call;
}

void add_key(outgoing_call& call, const settings& s) {
  call.headers.emplace_back("Authorization", s.api_key.reveal());
}

std::string replaced(std::string text, std::string_view part, std::string_view by) {
  for (std::size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + by.size())) {
    text.replace(at, part.size(), by);
  }
  return text;
}

/// Here the SDK replaces only "$ID", by the worker's id.
outgoing_call poll_call(const settings& s, std::string_view url_template, milliseconds timeout) {
  outgoing_call call = call_of("GET", expand(url_template, {{"$ID", s.worker_id}}), timeout);
  call.headers.emplace_back("Content-Type", "application/json");
  add_key(call, s);
  return call;
}

outgoing_call post_call(const settings& s, std::string_view url_template, const std::string& job,
                        bool is_stream, std::string body, milliseconds timeout) {
  std::string url = expand(url_template, {{"$RUNPOD_POD_ID", s.worker_id}, {"$ID", job}});
  add_query(url, "isStream", is_stream ? "true" : "false");
  outgoing_call call = call_of("POST", std::move(url), timeout);
  call.body = std::move(body);
  call.answer_bytes_max = post_bytes_max;
  // The body is JSON; the SDK sends this type all the same.
  call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  call.headers.emplace_back("charset", "utf-8");
  call.headers.emplace_back("X-Request-ID", job);
  add_key(call, s);
  return call;
}

std::string ping_url(const settings& s) {
  return expand(s.ping, {{"$RUNPOD_POD_ID", s.worker_id}}, "%20");
}

/// The first `most` characters of UTF-8 text.
std::string_view first_characters(std::string_view text, std::size_t most) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = !text::is_continuation(text[i]);
    if (begins && ++characters > most) {
      return text.substr(0, i);
    }
  }
  // Continuation bytes count as no character, so their number needs a bound as well.
  return text.substr(0, most * 4);
}

} // namespace

outgoing_call take_call(const settings& s, std::uint32_t wanted, bool job_in_progress,
                        milliseconds timeout) {
  const bool batch = wanted > 1;
  outgoing_call call =
      poll_call(s, batch ? replaced(s.get_job, take_part, "/job-take-batch/") : s.get_job, timeout);
  if (batch) {
    add_query(call.url, "batch_size", std::to_string(wanted));
  }
  add_query(call.url, "job_in_progress", job_in_progress ? "1" : "0");
  call.answer_bytes_max = take_bytes_max;
  return call;
}

std::optional<outgoing_call> stop_call(const settings& s, milliseconds timeout) {
  if (s.get_job.find(take_part) == std::string::npos) {
    return std::nullopt;
  }
  outgoing_call call = poll_call(s, replaced(s.get_job, take_part, "/job-stop/"), timeout);
  call.answer_bytes_max = stop_bytes_max;
  return call;
}

outgoing_call ping_call(const settings& s, std::span<const std::string> jobs) {
  std::string ids;
  for (const std::string& job : jobs) {
    const std::size_t comma = ids.empty() ? 0 : 1;
    if (ids.size() + comma + job.size() > ping_ids_max) {
      break;
    }
    ids.append(comma, ',').append(job);
  }
  std::string url = ping_url(s);
  if (!ids.empty()) {
    add_parameter(url, "job_id", form_encoded(ids));
  }
  add_parameter(url, "runpod_version", contract_version);
  outgoing_call call = call_of("GET", std::move(url), 2 * s.ping_interval);
  add_key(call, s);
  return call;
}

outgoing_call unhealthy_call(const settings& s, std::string_view check, std::string_view reason) {
  std::string url = ping_url(s);
  add_parameter(url, "status", "unhealthy");
  add_parameter(url, "check", form_encoded(check.substr(0, check_bytes_max)));
  add_parameter(url, "reason", form_encoded(first_characters(reason, reason_characters_max)));
  add_parameter(url, "runpod_version", contract_version);
  outgoing_call call = call_of("GET", std::move(url), unhealthy_timeout);
  add_key(call, s);
  return call;
}

outgoing_call result_call(const settings& s, const std::string& job, bool is_stream,
                          std::string body) {
  return post_call(s, s.post_output, job, is_stream, std::move(body), result_timeout);
}

outgoing_call chunk_call(const settings& s, const std::string& job, std::string body) {
  return post_call(s, s.post_stream, job, false, std::move(body), chunk_timeout);
}

} // namespace tayfa::runpod
