// Workers that go on while the pod, its queue or the registry's owner is started anew: what they
// hold is theirs as before.
#include "runtime/runpod_platform/worker_registry.hpp"

#include <algorithm>

namespace tayfa::remote {

/// The text by which the next process recognises a worker. Neither an endpoint nor a worker's name
/// has a slash.
std::string worker_registry::lasting_name(const key& who, const std::string& api_key) {
  return who.first + "/" + who.second + "/" + api_key;
}

// ---- a new queue --------------------------------------------------------------------------------

/// The queue gets the worker as a new incarnation, so that nothing which is still on its way
/// between the queue and the last one counts, together with all that it holds.
void worker_registry::announce_anew(moment now, worker& w, effects& out) {
  const auto unsettled = std::exchange(w.unsettled, {});
  if (!w.joined) { // it may still claim what it has: unclaimed()
    adjust(w, out);
    return;
  }
  for (const auto& [id, attempt] : unsettled) {
    job j; // the worker was not answered: it may send the result again
    j.attempt = attempt;
    j.at = job::place::leaving;
    j.since = now;
    w.jobs.emplace(id, std::move(j));
  }
  for (auto entry = w.jobs.begin(); entry != w.jobs.end();) {
    const auto here = entry++;
    if (here->second.revoked) { // the queue awaits no end of it any more
      add_orphan(w, here->first);
      drop(w, here);
    }
  }
  join(w);
  auto ready = ready_of(w);
  ready.holds.emplace();
  for (const auto& [id, j] : w.jobs) {
    ready.holds->push_back({j.attempt, j.chunks});
  }
  out.emplace_back(std::move(ready));
  adjust(w, out);
}

void worker_registry::settled(const api::worker_place& from, const std::string& id) {
  if (worker* const w = find(key{from.endpoint, from.worker})) {
    w->unsettled.erase(id);
  }
}

// ---- a new process ------------------------------------------------------------------------------

void worker_registry::unclaimed(const std::vector<unclaimed_attempt>& all) {
  claimable_.clear();
  for (const auto& each : all) {
    const auto [entry, fresh] = claimable_.try_emplace({each.lasting_name, usual_id(each.attempt)},
                                                       claimable{each.attempt, {}});
    if (!fresh) {
      entry->second.attempt.number = 0;
    }
  }
}

/// The job under this id, which its worker has had since before this process; or the end of w.jobs.
worker_registry::job_entry worker_registry::claim(moment now, worker& w, const std::string& id,
                                                  effects& out) {
  const auto known = claimable_.find({lasting_name(w.who, w.api_key), id});
  if (known == claimable_.end() || known->second.attempt.number == 0 || w.jobs.size() >= jobs_max) {
    return w.jobs.end();
  }
  job j;
  j.attempt = known->second.attempt;
  j.at = job::place::there;
  j.since = now;
  claimable_.erase(known);
  w.orphans.erase(id);
  const auto entry = w.jobs.emplace(id, std::move(j)).first;
  // Before the queue sees room for it: that room is taken.
  if (!w.joined) {
    join(w);
    out.emplace_back(ready_of(w));
  }
  out.emplace_back(attempts_claimed{w.ref, {{entry->second.attempt, 0}}});
  adjust(w, out);
  return entry;
}

/// A worker that has come back and does not name a job for longer than a ping interval is not at it
/// any more: its result was lost on its way, or it is another process of that name.
void worker_registry::give_up_missing(moment now, worker& w,
                                      const std::set<std::string_view>& named, effects& out) {
  const auto name = lasting_name(w.who, w.api_key);
  std::vector<std::string> gone;
  for (auto each = claimable_.lower_bound({name, {}});
       each != claimable_.end() && each->first.first == name; ++each) {
    auto& since = each->second.missing_since;
    if (named.contains(each->first.second)) {
      since.reset();
    } else if (!since) {
      since = now;
    } else if (now - *since >= limits_.ping_interval) {
      gone.push_back(each->first.second);
    }
  }
  for (const auto& id : gone) {
    if (const auto entry = claim(now, w, id, out); entry != w.jobs.end()) {
      give_back(w, entry, "its worker came back without it", out);
    }
  }
}

} // namespace tayfa::remote
