// The workers themselves: how they come and go, and what the queue learns about them.
#include "runtime/runpod_platform/worker_registry.hpp"

#include <algorithm>

namespace tayfa::remote {

// ---- who is who ---------------------------------------------------------------------------------

worker_registry::worker* worker_registry::find(const key& who) {
  const auto entry = workers_.find(who);
  return entry == workers_.end() ? nullptr : &entry->second;
}

worker_registry::worker* worker_registry::find(worker_ref ref) {
  const auto entry = by_slot_.find(ref.slot.value);
  const bool same = entry != by_slot_.end() && entry->second->joined && entry->second->ref == ref;
  return same ? entry->second : nullptr;
}

result<void> worker_registry::may_speak(const worker& w, const api::worker_place& from) {
  if (from.any_worker || w.api_key.empty() || w.api_key == from.key) {
    return {};
  }
  return fail(errc::forbidden, "this worker's name belongs to another key");
}

/// The worker of this name, which has just made a call.
result<worker_registry::worker*> worker_registry::meet(moment now, const api::worker_place& from,
                                                       effects& out) {
  const key who{from.endpoint, from.worker};
  worker* w = find(who);
  if (w != nullptr) {
    if (w->api_key.empty()) {
      w->api_key = from.key; // it came before there were keys
    }
    if (const auto may = may_speak(*w, from); !may) {
      ++refused_;
      return fail(may.error());
    }
  } else {
    if (workers_.size() >= limits_.workers_max) {
      return fail(errc::rate_limited, "too many workers (workers.max)");
    }
    w = &workers_[who];
    w->who = who;
    w->api_key = from.key;
    w->ref.node = pull_node;
    if (free_slots_.empty()) {
      w->ref.slot.value = next_slot_++;
    } else {
      w->ref.slot.value = free_slots_.extract(free_slots_.begin()).value();
    }
    by_slot_[w->ref.slot.value] = w;
    w->due = now;
    due_.insert({w->due, w->ref.slot.value});
    out.emplace_back(log_entry{log_entry::what::came, from.worker, from.endpoint, {}});
  }
  w->heard = now;
  if (!from.device.empty()) {
    w->device = from.device.substr(0, device_max);
  }
  return w;
}

/// Jobs that its open takes still want, beyond the unclaimed ones that will answer them.
std::size_t worker_registry::wanted(const worker& w) {
  std::size_t sum = 0;
  for (const auto& t : w.takes) {
    sum += t.wanted;
  }
  return sum - std::min(sum, w.unclaimed.size());
}

// ---- messages to the queue ----------------------------------------------------------------------

worker_ready worker_registry::ready_of(const worker& w) const {
  worker_ready o{w.ref, pulling()};
  o.facts.capacity = w.offered;
  o.facts.steps = true; // its pings renew them
  o.facts.device = w.device;
  o.facts.name = w.who.second;
  o.facts.endpoint = w.who.first;
  o.facts.lease = silence();
  o.facts.hand_overs = w.hand_overs;
  o.facts.lasting_name = lasting_name(w.who, w.api_key);
  return o;
}

/// The worker becomes one of the queue's, which takes nothing yet.
void worker_registry::join(worker& w) {
  w.joined = true;
  w.offered = 0;
  w.hand_overs = w.acknowledged = 0;
  w.ref.incarnation = ++incarnations_;
}

/// To be called after every change of what the worker holds or wants, and before the end of an
/// attempt is said: the room that the queue sees must never be larger than what is wanted.
void worker_registry::adjust(worker& w, effects& out) {
  const bool open = serving_ && !stopping_ && w.fit;
  const std::size_t more = open ? wanted(w) : 0;
  if (more > 0 && !w.joined) {
    join(w);
  }
  // 0 and not what it holds: that would be room as soon as an attempt has ended.
  const auto capacity = static_cast<std::uint32_t>(more == 0 ? 0 : w.jobs.size() + more);
  const bool answered = std::exchange(w.acknowledged, w.hand_overs) != w.hand_overs;
  if (std::exchange(w.offered, capacity) != capacity || answered) {
    out.emplace_back(ready_of(w));
  }
}

void worker_registry::schedule(worker& w) {
  moment due = w.heard + silence();
  for (const auto& t : w.takes) {
    due = std::min(due, t.until);
  }
  for (const auto& s : w.stops) {
    due = std::min(due, s.until);
  }
  for (const auto& id : w.unclaimed) {
    due = std::min(due, w.jobs.at(id).since + limits_.unclaimed_grace);
  }
  due_.erase({w.due, w.ref.slot.value});
  w.due = due;
  due_.insert({w.due, w.ref.slot.value});
}

void worker_registry::drop(worker& w, job_entry entry) {
  std::erase(w.unclaimed, entry->first);
  w.jobs.erase(entry);
}

void worker_registry::finish(worker& w, job_entry entry, protocol::finished last, effects& out) {
  last.attempt = entry->second.attempt;
  drop(w, entry);
  adjust(w, out);
  out.emplace_back(attempt_reported{w.ref, std::move(last)});
}

/// Returns an attempt that, as far as we know, never reached the worker.
void worker_registry::give_back(worker& w, job_entry entry, const char* why, effects& out) {
  protocol::finished last;
  last.how = protocol::outcome::failed;
  last.code = static_cast<std::uint16_t>(errc::unavailable);
  last.text = why;
  ++w.lost;
  finish(w, entry, std::move(last), out);
}

void worker_registry::end_revoked(worker& w, job_entry entry, effects& out) {
  protocol::finished last;
  last.how = protocol::outcome::cancelled;
  finish(w, entry, std::move(last), out);
}

void worker_registry::arrived(moment now, worker& w, job& j, effects& out) {
  if (j.at == job::place::there) {
    return;
  }
  j.at = job::place::there;
  j.since = now;
  j.input = {};
  j.s3_config.clear();
  if (!j.revoked) {
    out.emplace_back(attempt_reported{w.ref, protocol::started{j.attempt}});
  }
}

void worker_registry::add_orphan(worker& w, const std::string& id) {
  if (w.orphans.size() < orphans_max) {
    w.orphans.try_emplace(id, 0);
  }
}

/// The queue does not count on them any more; what the worker is at becomes orphan.
void worker_registry::void_jobs(worker& w) {
  for (const auto& [id, j] : w.jobs) {
    w.lost += j.revoked ? 0 : 1;
    if (j.at != job::place::here) {
      add_orphan(w, id);
    }
  }
  w.jobs.clear();
  w.unclaimed.clear();
}

void worker_registry::close_polls(worker& w, effects& out) {
  for (const auto& t : w.takes) {
    open_.erase(t.poll);
    out.emplace_back(nothing_yet{t.poll});
  }
  for (const auto& s : w.stops) {
    open_.erase(s.poll);
    out.emplace_back(nothing_yet{s.poll});
  }
  w.takes.clear();
  w.stops.clear();
}

/// The worker leaves the queue, for a while or for good.
void worker_registry::part(worker& w, error why, effects& out) {
  close_polls(w, out);
  void_jobs(w);
  if (std::exchange(w.joined, false)) {
    w.offered = 0;
    out.emplace_back(worker_gone{w.ref, std::move(why)});
  }
}

void worker_registry::forget(worker& w, error why, effects& out) {
  out.emplace_back(log_entry{log_entry::what::left, w.who.second, w.who.first, why.text});
  part(w, std::move(why), out);
  std::erase_if(flying_, [&w](const auto& each) { return each.second == &w; });
  due_.erase({w.due, w.ref.slot.value});
  by_slot_.erase(w.ref.slot.value);
  free_slots_.insert(w.ref.slot.value);
  workers_.erase(key{w.who});
}

// ---- messages of the queue ----------------------------------------------------------------------

/// The job's own id, where no worker can have had it before; see the invariants.
std::string worker_registry::usual_id(const attempt_ref& attempt) {
  std::string id = attempt.job.str();
  if (attempt.number > 1) {
    id += "-r" + std::to_string(attempt.number);
  }
  return id;
}

std::string worker_registry::handed_id(const worker& w, const attempt_ref& attempt) const {
  auto id = usual_id(attempt);
  const auto name = lasting_name(w.who, w.api_key);
  while (w.jobs.contains(id) || w.orphans.contains(id) || claimable_.contains({name, id})) {
    id += "-r"; // a job of another name that reads the same
  }
  return id;
}

void worker_registry::accept(moment now, worker& w, const protocol::assign& m) {
  const auto same = [&m](const auto& each) { return each.second.attempt == m.attempt; };
  if (std::any_of(w.jobs.begin(), w.jobs.end(), same)) {
    return;
  }
  auto id = handed_id(w, m.attempt);
  job j;
  j.attempt = m.attempt;
  j.input = m.input;
  j.s3_config = m.s3_config;
  j.since = now;
  w.jobs.emplace(id, std::move(j));
  w.unclaimed.push_back(std::move(id));
}

effects worker_registry::assigned(moment now, worker_ref ref, std::uint64_t number,
                                  const std::vector<protocol::assign>& all) {
  effects out;
  worker* w = find(ref);
  if (w == nullptr) {
    return out; // it has left, and the queue will learn that, or is another one by now
  }
  w->hand_overs = std::max(w->hand_overs, number);
  for (const auto& each : all) {
    accept(now, *w, each);
  }
  answer_takes(now, *w, out);
  adjust(*w, out);
  if (stopping_) {
    give_back_unclaimed(*w, "the pod is stopping", out);
  } else if (w->takes.empty() && !w->takes_again) {
    give_back_unclaimed(*w, "its client went away", out);
  }
  schedule(*w);
  return out;
}

void worker_registry::give_back_unclaimed(worker& w, const char* why, effects& out) {
  while (!w.unclaimed.empty()) {
    give_back(w, w.jobs.find(w.unclaimed.front()), why, out);
  }
}

effects worker_registry::revoked(moment, worker_ref ref, const attempt_ref& attempt) {
  effects out;
  worker* w = find(ref);
  if (w == nullptr) {
    return out;
  }
  const auto entry = std::find_if(w->jobs.begin(), w->jobs.end(), [&attempt](const auto& each) {
    return each.second.attempt == attempt;
  });
  if (entry == w->jobs.end()) {
    // An attempt that is unknown, or whose end is in flight: it is fenced.
    protocol::finished last;
    last.attempt = attempt;
    last.how = protocol::outcome::cancelled;
    out.emplace_back(attempt_reported{w->ref, std::move(last)});
    return out;
  }
  entry->second.revoked = true;
  if (entry->second.at == job::place::here) {
    end_revoked(*w, entry, out);
  } else {
    answer_stop_polls(*w, out);
  }
  schedule(*w);
  return out;
}

effects worker_registry::queue_restarted(moment now) {
  effects out;
  for (auto& [who, w] : workers_) {
    announce_anew(now, w, out);
    answer_stop_polls(w, out);
    schedule(w);
  }
  return out;
}

effects worker_registry::owner_restarted(moment now) {
  effects out;
  open_.clear();
  flying_.clear();
  serving_ = false;
  for (auto& [who, w] : workers_) {
    w.takes.clear();
    w.stops.clear();
    for (auto& [id, poll] : w.orphans) {
      poll = 0;
    }
    for (auto& [id, j] : w.jobs) {
      j.stop_sent_with = 0;
      if (j.at == job::place::leaving) {
        j.with = 0; // its answer may have left, or not
        j.since = now;
      }
    }
    announce_anew(now, w, out);
    schedule(w);
  }
  return out;
}

// ---- the pod ------------------------------------------------------------------------------------

effects worker_registry::serve(moment) {
  effects out;
  serving_ = true;
  for (auto& [who, w] : workers_) {
    adjust(w, out);
  }
  return out;
}

effects worker_registry::stop(moment) {
  effects out;
  stopping_ = true;
  for (auto& [who, w] : workers_) {
    for (const auto& t : w.takes) {
      open_.erase(t.poll);
      out.emplace_back(nothing_yet{t.poll});
    }
    w.takes.clear();
    adjust(w, out);
    give_back_unclaimed(w, "the pod is stopping", out);
    schedule(w);
  }
  return out;
}

effects worker_registry::close() {
  effects out;
  for (auto& [who, w] : workers_) {
    close_polls(w, out);
    adjust(w, out);
    schedule(w);
  }
  return out;
}

effects worker_registry::expire(moment now) {
  effects out;
  while (!due_.empty() && due_.begin()->first <= now) {
    expire_one(now, *by_slot_.at(due_.begin()->second), out);
  }
  return out;
}

void worker_registry::expire_one(moment now, worker& w, effects& out) {
  if (now - w.heard >= silence()) {
    const auto ms = std::chrono::duration_cast<milliseconds>(now - w.heard).count();
    forget(w, error{errc::lease_expired, "no take, ping or post for " + std::to_string(ms) + " ms"},
           out);
    return;
  }
  const auto over = [&](const auto& poll) {
    if (now < poll.until) {
      return false;
    }
    open_.erase(poll.poll);
    out.emplace_back(nothing_yet{poll.poll});
    return true;
  };
  std::erase_if(w.takes, over);
  std::erase_if(w.stops, over);
  adjust(w, out);
  const auto unclaimed = w.unclaimed;
  for (const auto& id : unclaimed) {
    const auto entry = w.jobs.find(id);
    if (now - entry->second.since >= limits_.unclaimed_grace) {
      give_back(w, entry, "its worker asked for nothing more", out);
    }
  }
  schedule(w);
}

std::optional<moment> worker_registry::next_deadline() const {
  return due_.empty() ? std::nullopt : std::optional{due_.begin()->first};
}

} // namespace tayfa::remote
