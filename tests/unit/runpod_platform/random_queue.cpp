// The naive queue of a random_workers.
#include "tests/unit/runpod_platform/random_workers.hpp"
#include "tests/unit/runpod_platform/registry_script.hpp"

#include <algorithm>

namespace tayfa::remote::testing {

void random_workers::give_or_revoke() {
  std::vector<worker_handle*> with_room;
  std::vector<std::pair<worker_handle*, attempt_ref>> held;
  for (auto& [slot, s] : handles_) {
    if (s.holds.size() < s.capacity && s.hand_overs == s.acknowledged) {
      with_room.push_back(&s);
    }
    for (const auto& a : s.holds) {
      if (!attempts_[a].revoked) {
        held.emplace_back(&s, a);
      }
    }
  }
  if (!held.empty() && chance(8)) {
    const auto& [s, a] = held[below(held.size())];
    attempts_[a].revoked = true;
    to_registry_.push_back({s->ref, {a}, 0, true});
    if (chance(2)) { // its lease ended; otherwise its client cancelled it
      waiting_.push_back({a.job, a.number + 1});
    }
    seen["revoked"]++;
    return;
  }
  if (with_room.empty()) {
    return;
  }
  worker_handle& s = *with_room[below(with_room.size())];
  order o{s.ref, {}, ++s.hand_overs, false};
  do {
    attempt_ref a{job_id{"j" + std::to_string(jobs_)}, 1};
    if (!waiting_.empty()) {
      a = waiting_.front();
      waiting_.erase(waiting_.begin());
    } else {
      ++jobs_;
    }
    s.holds.insert(a);
    attempts_[a];
    o.attempts.push_back(a);
  } while (s.holds.size() < s.capacity && !chance(3));
  to_registry_.push_back(std::move(o));
  seen["given"]++;
}

void random_workers::registry_receives() {
  if (to_registry_.empty()) {
    return;
  }
  const auto o = to_registry_.front();
  to_registry_.pop_front();
  if (o.revoke) {
    obey(registry_->revoked(now_, o.worker, o.attempts.front()));
    return;
  }
  std::vector<protocol::assign> all;
  for (const auto& a : o.attempts) {
    protocol::assign m;
    m.attempt = a;
    m.input = shared_text{"{}"};
    all.push_back(std::move(m));
  }
  obey(registry_->assigned(now_, o.worker, o.hand_over, all));
}

void random_workers::queue_hears() {
  if (to_queue_.empty()) {
    return;
  }
  const auto e = to_queue_.front();
  to_queue_.pop_front();
  hear(e);
  if (to_queue_.empty()) {
    for (const auto& [worker, job] : std::exchange(settles_, {})) {
      registry_->settled(place(worker), job);
    }
  }
}

void random_workers::hear(const effect& e) {
  if (const auto* o = std::get_if<worker_ready>(&e)) {
    hear(*o);
  } else if (const auto* c = std::get_if<attempts_claimed>(&e)) {
    hear(*c);
  } else if (const auto* s = std::get_if<attempt_reported>(&e)) {
    hear(*s);
  } else if (const auto* l = std::get_if<worker_gone>(&e)) {
    hear(*l);
  }
}

void random_workers::hear(const worker_ready& o) {
  const auto slot = o.worker.slot.value;
  const auto entry = handles_.find(slot);
  if (o.holds || entry == handles_.end()) {
    demand(o.worker.incarnation > newest_, "an incarnation that does not grow");
    newest_ = o.worker.incarnation;
    if (entry != handles_.end()) { // what the last incarnation held waits to be claimed
      demand(o.holds.has_value(), "a slot of two workers");
      leave(entry->second);
    }
    handles_[slot] = {};
    handles_[slot].ref = o.worker;
    handles_[slot].name = o.facts.name;
  } else {
    demand(entry->second.ref == o.worker, "a slot of two workers");
  }
  auto& s = handles_[slot];
  if (o.holds) {
    for (const auto& each : *o.holds) {
      claim(s, each);
    }
    for (const auto& a : std::exchange(left_in_[slot], {})) { // it came back without these
      if (const auto left = unclaimed_.find(a);
          left != unclaimed_.end() && left->second == s.name) {
        lose_unclaimed(a);
      }
    }
    seen["announced anew"]++;
  }
  s.capacity = o.facts.capacity;
  s.acknowledged = o.facts.hand_overs;
}

/// Its worker goes on, and may come back.
void random_workers::leave(const worker_handle& s) {
  for (const auto& a : s.holds) {
    if (!attempts_[a].revoked) {
      unclaimed_[a] = s.name;
      left_in_[s.ref.slot.value].insert(a);
    }
  }
}

void random_workers::lose_unclaimed(const attempt_ref& a) {
  if (unclaimed_.erase(a) > 0) {
    waiting_.push_back({a.job, a.number + 1});
    seen["not claimed"]++;
  }
}

void random_workers::claim(worker_handle& s, const attempt_held& held) {
  const auto entry = unclaimed_.find(held.attempt);
  if (entry == unclaimed_.end()) {
    refused_.insert(held.attempt);
    to_registry_.push_back({s.ref, {held.attempt}, 0, true});
    seen["claimed in vain"]++;
    return;
  }
  demand(entry->second == s.name, "a claim of somebody else's attempt");
  left_in_[s.ref.slot.value].erase(held.attempt);
  unclaimed_.erase(entry);
  s.holds.insert(held.attempt);
  demand(attempts_[held.attempt].holder.empty() || attempts_[held.attempt].holder == s.name,
         "an attempt changes its holder");
  attempts_[held.attempt].holder = s.name;
  attempts_[held.attempt].steps = attempts_[held.attempt].progress = 0;
  attempts_[held.attempt].chunks = held.chunks;
  seen["claimed"]++;
}

void random_workers::hear(const attempts_claimed& c) {
  const auto entry = handles_.find(c.worker.slot.value);
  demand(entry != handles_.end() && entry->second.ref == c.worker, "a stranger claims");
  if (entry == handles_.end()) {
    return;
  }
  for (const auto& each : c.attempts) {
    claim(entry->second, each);
  }
}

void random_workers::hear(const worker_gone& l) {
  const auto entry = handles_.find(l.worker.slot.value);
  demand(entry != handles_.end() && entry->second.ref == l.worker, "a stranger leaves");
  if (entry == handles_.end()) {
    return;
  }
  for (const auto& a : entry->second.holds) {
    if (!attempts_[a].revoked) {
      waiting_.push_back({a.job, a.number + 1});
    }
  }
  handles_.erase(entry);
  seen["left by " + std::string{to_string(l.why.code)}]++;
}

template <class Numbered>
void random_workers::hear_numbered(worker_ref who, const Numbered& m, std::uint64_t number,
                                   std::uint64_t& last) {
  const auto entry = handles_.find(who.slot.value);
  if (refused_.contains(m.attempt)) {
    return; // the revocation is on its way
  }
  demand(entry != handles_.end() && entry->second.ref == who &&
             entry->second.holds.contains(m.attempt),
         "a word about an attempt that its worker does not hold");
  demand(number > last, "a number that does not grow");
  last = number;
}

void random_workers::hear(const attempt_reported& s) {
  if (const auto* f = std::get_if<protocol::finished>(&s.body)) {
    end(s.worker, *f);
    return;
  }
  std::uint64_t none = 0;
  if (const auto* m = std::get_if<protocol::started>(&s.body)) {
    hear_numbered(s.worker, *m, 1, none);
  } else if (const auto* p = std::get_if<protocol::progress>(&s.body)) {
    std::uint64_t last = attempts_[p->attempt].progress;
    hear_numbered(s.worker, *p, p->sequence, last);
    attempts_[p->attempt].progress = static_cast<std::uint32_t>(last);
  } else if (const auto* c = std::get_if<protocol::partial>(&s.body)) {
    std::uint64_t last = attempts_[c->attempt].chunks;
    hear_numbered(s.worker, *c, c->sequence, last);
    attempts_[c->attempt].chunks = static_cast<std::uint32_t>(last);
  } else if (const auto* t = std::get_if<protocol::stepped>(&s.body)) {
    hear_numbered(s.worker, *t, t->steps, attempts_[t->attempt].steps);
  }
}

void random_workers::end(worker_ref who, const protocol::finished& f) {
  const auto entry = handles_.find(who.slot.value);
  demand(entry != handles_.end() && entry->second.ref == who, "a stranger ends an attempt");
  if (entry == handles_.end()) {
    return;
  }
  if (refused_.contains(f.attempt)) {
    return;
  }
  const auto& facts = attempts_[f.attempt];
  const bool held = entry->second.holds.erase(f.attempt) == 1;
  demand(held || f.how == protocol::outcome::cancelled, "an attempt ends twice");
  switch (f.how) {
  case protocol::outcome::completed:
    demand(!facts.holder.empty(), "a result of an attempt that nobody was handed");
    seen["completed"]++;
    break;
  case protocol::outcome::failed:
    if (errc_from(f.code) == errc::unavailable) {
      seen["given back"]++;
      waiting_.insert(waiting_.end(), facts.revoked ? 0 : 1,
                      attempt_ref{f.attempt.job, f.attempt.number + 1});
    }
    break;
  case protocol::outcome::cancelled:
    demand(facts.revoked, "an attempt is cancelled unasked");
    seen["cancelled"]++;
    break;
  }
}

void random_workers::do_restart() {
  settles_.clear();
  switch (below(3)) {
  case 0: // of the queue
    to_queue_.clear();
    for (const auto& [slot, s] : handles_) {
      leave(s);
    }
    handles_.clear();
    obey(registry_->queue_restarted(now_));
    list_unclaimed();
    seen["queue restarted"]++;
    return;
  case 1: // of the owner
    open_.clear();
    flying_.clear();
    to_registry_.clear();
    obey(registry_->owner_restarted(now_));
    list_unclaimed();
    seen["owner restarted"]++;
    break;
  default: restart_process(); break;
  }
  if (serving_) {
    obey(registry_->serve(now_));
  }
}

/// Only the queue's table is left.
void random_workers::restart_process() {
  open_.clear();
  flying_.clear();
  to_registry_.clear();
  to_queue_.clear();
  for (const auto& [slot, s] : handles_) {
    leave(s);
  }
  handles_.clear();
  left_in_.clear(); // numbers of slots mean nothing any more
  registry_ = std::make_unique<worker_registry>(limits_);
  newest_ = 0;
  list_unclaimed();
  seen["process restarted"]++;
}

/// No call is served before the queue has said this.
void random_workers::list_unclaimed() {
  while (!to_queue_.empty()) {
    queue_hears();
  }
  std::vector<unclaimed_attempt> all;
  for (const auto& [a, name] : unclaimed_) {
    all.push_back({a, "tayfa/" + name + "/"});
    const auto suffix = a.number > 1 ? "-r" + std::to_string(a.number) : "";
    given_before_.insert(name + " " + a.job.str() + suffix);
  }
  registry_->unclaimed(all);
}

/// The claim window is over.
void random_workers::close_window() {
  for (const auto& [a, name] : std::map{unclaimed_}) {
    lose_unclaimed(a);
  }
  left_in_.clear();
}

} // namespace tayfa::remote::testing
