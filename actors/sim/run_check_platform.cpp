// The oracle's part about RunPod's platform: every job it gave has one result there, or was
// stopped.
#include "actors/sim/run.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace tayfa::sim {

namespace {

boost::json::value parsed(const std::string& text) {
  boost::json::error_code wrong;
  auto value = boost::json::parse(text, wrong);
  return wrong ? boost::json::value(text) : value;
}

bool is_error(const std::string& body) {
  const auto value = parsed(body);
  return value.is_object() && value.get_object().contains("error");
}

} // namespace

void run::check_platform() {
  for (const auto& fault : platform_->faults()) {
    violated("the platform complains: " + fault);
  }
  for (const auto& job : platform_->jobs()) {
    check_platform_job(job);
  }
}

void run::check_platform_job(const platform_job& job) {
  const auto who = "platform's job " + job.id;
  const auto& faults = platform_->options();
  const bool stopped_early =
      std::any_of(plan_.incidents.begin(), plan_.incidents.end(),
                  [](const auto& i) { return i.act == incident::what::sigterm; });
  const bool undisturbed =
      result_.lives == 1 && lines_.count("sim_incident") == 0 && !stopped_early;
  const bool fair =
      faults.lost_requests + faults.lost_answers + faults.malformed + faults.twice == 0 &&
      result_.lives == 1 && lines_.count("sim_incident") == 0;
  ++result_.ends[job.stop_sent ? "STOPPED" : (job.results.empty() ? "unfinished" : "posted")];
  if (!job.over()) {
    if (!stopped_early || job.arrived > 0) {
      violated(who + " was given " + std::to_string(job.given) + " times, arrived " +
               std::to_string(job.arrived) + " times and has no result (lost)");
    }
    return;
  }
  if (undisturbed && job.forgotten) {
    violated(who + " arrived, and neither a result nor a ping named it any more");
  }
  if (fair && job.given > 1) {
    violated(who + " had to be given " + std::to_string(job.given) + " times");
  }
  if (fair && !job.posts_after_end.empty()) {
    violated(who + " had a post after its result: " + job.posts_after_end.front());
  }
  if (fair && job.posted_after_stop) {
    violated(who + " had a post after its stop");
  }
  for (const auto& later : job.posts_after_end) {
    if (job.given <= 1 && parsed(later) != parsed(job.results.front())) {
      violated(who + " has two results: " + job.results.front() + " and " + later);
    }
  }
  if (job.stop_sent || job.results.empty()) {
    return;
  }
  const auto& got = job.results.front();
  const bool excused = is_error(got) && (plan_.faulty || stopped_early);
  const bool right = job.may_fail ? is_error(got) && got.find(job.expected) != std::string::npos
                                  : parsed(got) == parsed(job.expected);
  if (!right && !excused) {
    violated(who + " got " + got + " and not " + job.expected);
  }
}

} // namespace tayfa::sim
