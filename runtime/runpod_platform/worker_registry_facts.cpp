// Facts about the remote workers for lists, and the registry's audit.
#include "runtime/runpod_platform/worker_registry.hpp"

#include <algorithm>

namespace tayfa::remote {

std::vector<remote_summary> worker_registry::summaries(moment now) const {
  std::vector<remote_summary> out;
  out.reserve(workers_.size());
  for (const auto& [who, w] : workers_) {
    remote_summary one;
    one.name = who.second;
    one.endpoint = who.first;
    one.version = w.version;
    one.device = w.device;
    one.healthy = w.fit;
    for (const auto& [id, j] : w.jobs) {
      one.jobs.push_back(j.attempt.job);
    }
    one.wanted = static_cast<std::uint32_t>(wanted(w));
    one.silent = std::chrono::duration_cast<milliseconds>(now - w.heard);
    one.completed = w.completed;
    one.lost = w.lost;
    out.push_back(std::move(one));
  }
  return out;
}

worker_registry::numbers worker_registry::count() const {
  numbers n;
  for (const auto& [who, w] : workers_) {
    (!w.fit ? n.unhealthy : w.jobs.empty() ? n.idle : n.running) += 1;
  }
  return n;
}

std::vector<std::string> worker_registry::audit() const {
  std::vector<std::string> out;
  const auto check = [&out](bool holds, const worker& w, const char* rule) {
    if (!holds) {
      out.push_back(w.who.first + "/" + w.who.second + ": " + rule);
    }
  };
  std::set<attempt_ref> attempts;
  std::set<poll_id> open;
  for (const auto& [who, w] : workers_) {
    const auto slot = w.ref.slot.value;
    check(by_slot_.contains(slot) && by_slot_.at(slot) == &w, w, "its slot is another's");
    check(w.ref.node == pull_node && !free_slots_.contains(slot), w, "its slot is free");
    check(due_.contains({w.due, slot}), w, "it has no deadline");
    std::size_t unclaimed = 0;
    for (const auto& [id, j] : w.jobs) {
      check(attempts.insert(j.attempt).second, w, "an attempt is in two places");
      unclaimed += j.at == job::place::here ? 1 : 0;
      check(j.at != job::place::leaving || j.with == 0 || flying_.contains(j.with), w,
            "a job leaves with nothing");
      check(j.stop_sent_with == 0 || (j.revoked && flying_.contains(j.stop_sent_with)), w,
            "a stop left with no answer");
      check(!j.revoked || j.at != job::place::here, w, "a revoked job is still here");
      check(j.at == job::place::here || !w.orphans.contains(id), w, "a job is an orphan as well");
    }
    check(unclaimed == w.unclaimed.size(), w, "its unclaimed are not those that are here");
    for (const auto& id : w.unclaimed) {
      const auto entry = w.jobs.find(id);
      check(entry != w.jobs.end() && entry->second.at == job::place::here, w,
            "an unclaimed one is not here");
    }
    const bool waits = serving_ && !stopping_ && w.fit && wanted(w) > 0;
    check((w.offered > 0) == waits, w, "it is offered otherwise than it waits");
    check(w.offered == 0 || w.offered == w.jobs.size() + wanted(w), w, "it is offered too large");
    check(w.joined || (w.jobs.empty() && w.offered == 0), w, "the queue does not know it");
    check(w.jobs.size() <= 2 * jobs_max && w.orphans.size() <= orphans_max, w, "it holds too much");
    check(w.takes.size() <= polls_max && w.stops.size() <= polls_max, w, "too many polls");
    check(w.takes.empty() || w.unclaimed.empty(), w, "a take waits though there are jobs for it");
    for (const auto& t : w.takes) {
      check(open.insert(t.poll).second && open_.contains(t.poll), w, "a take is not open");
    }
    for (const auto& s : w.stops) {
      check(open.insert(s.poll).second && open_.contains(s.poll), w, "a stop poll is not open");
    }
  }
  if (open.size() != open_.size() || due_.size() != workers_.size() ||
      by_slot_.size() != workers_.size() || workers_.size() > limits_.workers_max) {
    out.emplace_back("the indexes do not fit the workers");
  }
  if (workers_.size() + free_slots_.size() != next_slot_) {
    out.emplace_back("a slot is lost");
  }
  return out;
}

} // namespace tayfa::remote
