#include "runtime/cli/top_facts.hpp"

#include "runtime/cli/facts.hpp"

#include <boost/json/parse.hpp>
#include <set>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::size_t rows_max = 100; ///< more than any terminal's height
constexpr std::chrono::seconds measured_over{10};

std::string limit_query(std::string state, std::size_t limit) {
  return query_text({{"state", std::move(state)}, {"limit", std::to_string(limit)}});
}

} // namespace

command_result<void> top_gatherer::refresh() {
  auto state = pod_.ping();
  if (!state) {
    return tl::unexpected(std::move(state.error()));
  }
  const auto page = pod_.metrics();
  if (!page) {
    return tl::unexpected(page.error());
  }
  facts_.state = std::move(*state);
  facts_.meters = meters_of(*page);
  measure();
  return ask_lists();
}

command_result<void> top_gatherer::ask_lists() {
  const auto slots = pod_.slots();
  if (!slots) {
    return tl::unexpected(slots.error());
  }
  const auto waiting = pod_.jobs(limit_query("IN_QUEUE", rows_max));
  if (!waiting) {
    return tl::unexpected(waiting.error());
  }
  const auto newest = pod_.jobs(limit_query("", rows_max));
  if (!newest) {
    return tl::unexpected(newest.error());
  }
  facts_.slots = list_of(slots->body, "slots");
  facts_.waiting = list_of(waiting->body, "jobs");
  merge_ended(list_of(newest->body, "jobs"));
  facts_.trouble.clear();
  return {};
}

void top_gatherer::learn(const server_event& event) {
  json::error_code ec;
  json::value data = json::parse(event.data, ec);
  if (event.kind != "job" || ec || !data.is_object()) {
    return;
  }
  auto& job = data.get_object();
  if (!has_ended(text_of(job, "status"))) {
    return;
  }
  if (const auto attempt = number_of(job, "attempt")) {
    job["attempts"] = *attempt;
  }
  ends_.push_front(std::move(job));
  if (ends_.size() > rows_max) {
    ends_.pop_back();
  }
}

/// Ordered by end time where events reported it; the others by submission. A list has more details
/// of a job than an event.
void top_gatherer::merge_ended(const json::array& newest) {
  std::map<std::string, const json::value*> listed;
  for (const auto& each : newest) {
    if (each.is_object() && has_ended(text_of(each.get_object(), "status"))) {
      listed.emplace(text_of(each.get_object(), "id"), &each);
    }
  }
  std::set<std::string> seen;
  facts_.ended.clear();
  for (const auto& each : ends_) {
    const std::string id = text_of(each, "id");
    if (seen.insert(id).second) {
      const auto found = listed.find(id);
      facts_.ended.push_back(found == listed.end() ? json::value(each) : *found->second);
    }
  }
  for (const auto& each : newest) {
    const std::string id = each.is_object() ? text_of(each.get_object(), "id") : std::string{};
    if (listed.contains(id) && seen.insert(id).second) {
      facts_.ended.push_back(each);
    }
  }
}

void top_gatherer::measure() {
  const auto value = [this](std::string_view name) {
    const auto found = facts_.meters.find(name);
    return found == facts_.meters.end() ? 0.0 : found->second;
  };
  const sample now{clock_.now(), value("tayfa_jobs_accepted_total"),
                   value("tayfa_jobs_completed_total") + value("tayfa_jobs_failed_total") +
                       value("tayfa_jobs_cancelled_total") + value("tayfa_jobs_timed_out_total")};
  if (!samples_.empty() && now.ended < samples_.back().ended) {
    samples_.clear(); // counters fell: another runtime, counting from 0
  }
  samples_.push_back(now);
  while (samples_.size() > 2 && now.at - samples_[1].at >= measured_over) {
    samples_.pop_front();
  }
  const sample& first = samples_.front();
  const double seconds = std::chrono::duration<double>(now.at - first.at).count();
  facts_.rates.reset();
  if (seconds > 0) {
    facts_.rates = top_rates{seconds, (now.accepted - first.accepted) / seconds,
                             (now.ended - first.ended) / seconds};
  }
}

} // namespace tayfa
