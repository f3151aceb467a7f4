#include "runtime/api/worker_query.hpp"

#include "runtime/api/query.hpp"

#include <algorithm>

namespace tayfa::api {

namespace {

bool of_id_letters(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

/// Anything that is not a job's name was not given out by us and is skipped.
std::vector<std::string> jobs_of(std::string_view list) {
  std::vector<std::string> jobs;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (is_worker_job(list.substr(0, end))) {
      jobs.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return jobs;
}

} // namespace

bool is_worker_name(std::string_view text) {
  return job_id::parse(text).has_value();
}

bool is_worker_job(std::string_view text) {
  return !text.empty() && text.size() <= worker_job_length_max && of_id_letters(text);
}

result<worker_words> worker_words_of(std::string_view query) {
  const auto items =
      named_items(query, {"gpu", "batch_size", "job_in_progress", "job_id", "runpod_version",
                          "status", "check", "reason", "isStream"});
  if (!items) {
    return fail(items.error());
  }
  worker_words words;
  std::string check;
  std::string reason;
  bool unhealthy = false;
  // Parameters added by a worker follow those of its template: the last one counts.
  for (const auto& [name, value] : *items) {
    if (name == "gpu") {
      words.device = plain_text(value, device_bytes_max);
    } else if (name == "batch_size") {
      const auto size = whole_number(value, batch_size_max);
      if (!size || *size == 0) {
        return fail(errc::bad_request,
                    "batch_size must be from 1 to " + std::to_string(batch_size_max));
      }
      words.wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>(*size, take_max));
    } else if (name == "job_in_progress") {
      words.in_progress = value == "1";
    } else if (name == "job_id") {
      words.jobs = jobs_of(value);
    } else if (name == "runpod_version") {
      words.version = plain_text(value, version_bytes_max);
    } else if (name == "status") {
      unhealthy = value == "unhealthy";
    } else if (name == "isStream") {
      words.is_stream = value == "true";
    } else {
      (name == "check" ? check : reason) = value;
    }
  }
  if (unhealthy) {
    words.unfit = plain_text(check + ": " + reason, unfit_bytes_max);
  }
  return words;
}

} // namespace tayfa::api
