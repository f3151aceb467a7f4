#include "runtime/cli/top_facts.hpp"

#include "runtime/cli/answer.hpp"
#include "runtime/cli/job_views.hpp"
#include "runtime/cli/pod_views.hpp"
#include "runtime/cli/pods/pod_tables.hpp"

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
  const auto slots_read = read_answer(api::slots_fields, slots);
  if (!slots_read) {
    return tl::unexpected(slots_read.error());
  }
  const auto waiting = pod_.jobs(limit_query("IN_QUEUE", rows_max));
  const auto waiting_read = read_answer(api::job_list_fields, waiting);
  if (!waiting_read) {
    return tl::unexpected(waiting_read.error());
  }
  const auto newest = pod_.jobs(limit_query("", rows_max));
  const auto newest_read = read_answer(api::job_list_fields, newest);
  if (!newest_read) {
    return tl::unexpected(newest_read.error());
  }
  facts_.pods = {};
  if (const auto known = facts_.meters.find("tayfa_pods");
      known != facts_.meters.end() && known->second > 0) {
    const auto pods = pod_.pods();
    const auto pods_read = read_answer(api::pods_fields, pods);
    if (!pods_read) {
      return tl::unexpected(pods_read.error());
    }
    facts_.pods = {pod_rows(*pods_read), as_sent(pods->body, "pods")};
  }
  facts_.slots = {slot_rows(*slots_read), as_sent(slots->body, "slots")};
  facts_.waiting = {job_rows(waiting_read->jobs), as_sent(waiting->body, "jobs")};
  merge_ended(newest_read->jobs, as_sent(newest->body, "jobs"));
  facts_.trouble.clear();
  return {};
}

void top_gatherer::learn(const server_event& event) {
  json::error_code ec;
  json::value data = json::parse(event.data, ec);
  if (event.kind != "job" || ec || !data.is_object()) {
    return;
  }
  auto& sent = data.get_object();
  job_view job;
  if (!api::read_into(api::job_state_fields, sent, job) ||
      !api::read_into(api::job_change_fields, sent, job) || !is_final(job.state)) {
    return;
  }
  sent["attempts"] = job.attempts;
  ends_.push_front({std::move(job), std::move(sent)});
  if (ends_.size() > rows_max) {
    ends_.pop_back();
  }
}

namespace {

/// An event says less of a job than a list does.
table_row row_of(const job_view& job) {
  job_summary summary;
  summary.id = job.id;
  summary.state = job.state;
  summary.worker = job.worker;
  summary.attempts = job.attempts;
  summary.failure = job.failure;
  if (summary.failure) {
    summary.failure->text = to_string(summary.failure->code);
  }
  table_row row = job_row_of(summary);
  row[2].clear(); // its age
  row[3].clear(); // its priority
  return row;
}

} // namespace

/// Ordered by end time where events reported it; the others by submission. A list has more details
/// of a job than an event.
void top_gatherer::merge_ended(const std::vector<job_summary>& newest, const json::array& sent) {
  std::map<job_id, std::size_t> listed;
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (is_final(newest[i].state)) {
      listed.emplace(newest[i].id, i);
    }
  }
  std::set<job_id> seen;
  facts_.ended = {};
  const auto add = [this](table_row row, const json::value& as_it_came) {
    facts_.ended.rows.push_back(std::move(row));
    facts_.ended.sent.push_back(as_it_came);
  };
  for (const auto& each : ends_) {
    if (seen.insert(each.job.id).second) {
      const auto found = listed.find(each.job.id);
      found == listed.end() ? add(row_of(each.job), each.sent)
                            : add(job_row_of(newest[found->second]), sent[found->second]);
    }
  }
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (listed.contains(newest[i].id) && seen.insert(newest[i].id).second) {
      add(job_row_of(newest[i]), sent[i]);
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
