#include "runtime/core/fairness/fair_queue.hpp"

#include <algorithm>
#include <cmath>

namespace tayfa {
namespace {

tenant_terms sane(tenant_terms terms) {
  constexpr double least = 1e-3;
  constexpr double most = 1e6;
  terms.weight = std::isfinite(terms.weight) ? std::clamp(terms.weight, least, most) : 1;
  return terms;
}

/// The charge of a run: at least 1 ms, since a tenant charged nothing would always be first.
double charged(milliseconds ms) {
  constexpr milliseconds least{1};
  constexpr milliseconds most = job_policy::execution_timeout_max;
  return static_cast<double>(std::clamp(ms, least, most).count());
}

group_key without_shape(group_key key) {
  key.shape.clear();
  return key;
}

void set(std::vector<bool>& bits, std::size_t at) {
  if (bits.size() <= at) {
    bits.resize(at + 1);
  }
  bits[at] = true;
}

bool is_set(const std::vector<bool>& bits, std::size_t at) {
  return at < bits.size() && bits[at];
}

} // namespace

fair_queue::fair_queue(std::map<std::string, tenant_terms> known, tenant_terms others)
    : terms_(std::move(known)), others_(sane(others)) {
  for (auto& [name, terms] : terms_) {
    terms = sane(terms);
  }
}

void fair_queue::add(const place& p) {
  tenant& t = known_tenant(p.tenant);
  group& g = known_group(p.group);
  const ticket job{p.urgency, p.order};
  const bool was_active = t.active();
  const bool begins = t.waiting == 0;
  if (begins) {
    unlist(t);
    t.virtual_ms = std::max(t.virtual_ms, start_for(g));
    t.since = ++ticks_;
  }
  const auto [it, is_new] = t.subqueues.try_emplace(g.id);
  subqueue& l = it->second;
  if (!put(t, g, l, job)) {
    return;
  }
  ++t.waiting;
  ++g.waiting;
  ++size_;
  if (begins) {
    set_active(t, was_active);
    list(t);
    forget_idle();
  } else if (is_new) {
    subqueue_made(t, l);
  }
}

/// False when it is there already.
bool fair_queue::put(tenant& t, group& g, subqueue& l, const ticket& job) {
  if (l.jobs.empty()) {
    l.in = &g;
    l.jobs.insert(job);
    t.heads.insert({job, g.id});
    return true;
  }
  const ticket before = *l.jobs.begin();
  // Most come in the order of their urgency: behind the last one, without a search.
  const auto next = *l.jobs.rbegin() < job ? l.jobs.end() : l.jobs.lower_bound(job);
  if (next != l.jobs.end() && *next == job) {
    return false;
  }
  l.jobs.emplace_hint(next, job);
  if (job < before) {
    t.heads.erase({before, g.id});
    t.heads.insert({job, g.id});
  }
  return true;
}

void fair_queue::remove(const place& p) {
  const auto found = tenants_.find(p.tenant);
  const auto group_found = groups_.find(p.group);
  if (found == tenants_.end() || group_found == groups_.end()) {
    return;
  }
  tenant& t = found->second;
  group& g = group_found->second;
  const auto it = t.subqueues.find(g.id);
  if (it == t.subqueues.end()) {
    return;
  }
  auto& jobs = it->second.jobs;
  const ticket job{p.urgency, p.order};
  const auto place_of = *jobs.begin() == job ? jobs.begin() : jobs.find(job);
  if (place_of == jobs.end()) {
    return;
  }
  const bool was_active = t.active();
  const bool was_head = place_of == jobs.begin();
  jobs.erase(place_of);
  --t.waiting;
  --g.waiting;
  --size_;
  if (was_head) {
    auto head = t.heads.extract({job, g.id});
    if (!jobs.empty()) {
      head.value().first = *jobs.begin();
      t.heads.insert(std::move(head));
    }
  }
  if (jobs.empty()) {
    t.subqueues.erase(it);
    subqueue_gone(t, g);
  }
  if (t.waiting == 0) {
    unlist(t);
    set_active(t, was_active);
    list(t);
  }
  if (g.waiting == 0) {
    forget_group(g);
  }
}

void fair_queue::started(const std::string& name, milliseconds expected) {
  const bool is_new = !tenants_.contains(name);
  tenant& t = known_tenant(name);
  if (is_new) {
    t.virtual_ms = std::min(least().value_or(highest_), highest_);
  }
  const bool was_active = t.active();
  unlist(t);
  ++t.running;
  set_active(t, was_active);
  // Only settled charges count: a tenant that joins now would otherwise stay behind a charge that
  // is taken back (a first run's guess, an engine start that was quicker than the last ones).
  highest_ = std::max(highest_, t.virtual_ms - t.unsettled_ms);
  charge(t, charged(expected));
  list(t);
  forget_idle();
}

void fair_queue::ended(const std::string& name, milliseconds expected, milliseconds took) {
  const auto it = tenants_.find(name);
  if (it == tenants_.end() || it->second.running == 0) {
    return;
  }
  tenant& t = it->second;
  const bool was_active = t.active();
  unlist(t);
  --t.running;
  set_active(t, was_active);
  settle(t, charged(expected), charged(took));
  in_flight_ms_ = std::max(0.0, in_flight_ms_ - charged(expected));
  list(t);
  forget_idle();
}

void fair_queue::expect_also(const std::string& name, double ms) {
  const auto it = tenants_.find(name);
  if (it == tenants_.end() || !std::isfinite(ms) || ms < 0) {
    return;
  }
  tenant& t = it->second;
  unlist(t);
  const double more = ms / t.terms.weight * scale_;
  t.virtual_ms += more;
  t.unsettled_ms += more;
  list(t);
  forget_idle();
}

void fair_queue::settle_also(const std::string& name, double expected, double took) {
  const auto it = tenants_.find(name);
  if (it == tenants_.end() || !std::isfinite(expected) || !std::isfinite(took)) {
    return;
  }
  tenant& t = it->second;
  unlist(t);
  settle(t, expected, took);
  list(t);
  forget_idle();
}

fair_queue::passed_over::passed_over(std::initializer_list<group_id> ids)
    : passed_over(std::vector<group_id>{ids}) {}

fair_queue::passed_over::passed_over(const std::vector<group_id>& ids) : count(ids.size()) {
  for (const auto id : ids) {
    set(groups, id);
  }
}

void fair_queue::pass(passed_over& passed, group_id id, bool whole_kind) const {
  ++passed.count;
  set(passed.groups, id);
  if (whole_kind && id < by_id_.size() && by_id_[id] != nullptr) {
    set(passed.kinds, by_id_[id]->kind);
  }
}

bool fair_queue::left_out(const passed_over& passed, group_id id) const {
  return is_set(passed.groups, id) ||
         (!passed.kinds.empty() && is_set(passed.kinds, by_id_[id]->kind));
}

std::optional<fair_queue::candidate> fair_queue::first(const passed_over& passed) const {
  const tenant* best = nullptr;
  turn best_turn;
  for (const auto& [at, since, id] : ranking_) {
    if (!left_out(passed, id)) {
      best_turn = *by_id_[id]->turns.begin();
      best = best_turn.who;
      break;
    }
  }
  // A tenant that waits in more groups than were passed over has a job in another: few steps, if
  // any.
  const auto free_head = [&](const tenant& t) {
    return std::find_if(t.heads.begin(), t.heads.end(),
                        [&](const auto& head) { return !left_out(passed, head.second); });
  };
  for (const turn& t : broad_) {
    if (best != nullptr && best_turn < t) {
      break;
    }
    if (free_head(*t.who) != t.who->heads.end()) {
      best = t.who;
      break;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  const auto& [job, id] = *free_head(*best);
  return candidate{job.order, job.urgency, id, best->name, by_id_[id]->key};
}

std::optional<fair_queue::candidate> fair_queue::first_of(group_id id) const {
  if (id >= by_id_.size() || by_id_[id] == nullptr) {
    return std::nullopt;
  }
  const group& g = *by_id_[id];
  const tenant* best = nullptr;
  turn best_turn;
  if (!g.turns.empty()) {
    best_turn = *g.turns.begin();
    best = best_turn.who;
  }
  for (const turn& t : broad_) {
    if (best != nullptr && best_turn < t) {
      break;
    }
    if (t.who->subqueues.contains(id)) {
      best = t.who;
      break;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  const ticket& job = *best->subqueues.find(id)->second.jobs.begin();
  return candidate{job.order, job.urgency, id, best->name, g.key};
}

std::optional<fair_queue::candidate> fair_queue::any_of(const std::string& model) const {
  auto it = groups_.lower_bound(group_key{model, {}, false});
  for (; it != groups_.end() && it->first.model == model; ++it) {
    if (auto found = first_of(it->second.id)) {
      return found;
    }
  }
  return std::nullopt;
}

std::size_t fair_queue::size() const {
  return size_;
}

std::size_t fair_queue::waiting(const std::string& name) const {
  const tenant* t = find(name);
  return t != nullptr ? t->waiting : 0;
}

std::size_t fair_queue::running(const std::string& name) const {
  const tenant* t = find(name);
  return t != nullptr ? t->running : 0;
}

std::size_t fair_queue::waiting_in(const group_key& key) const {
  const auto it = groups_.find(key);
  return it != groups_.end() ? it->second.waiting : 0;
}

bool fair_queue::wants(const std::string& model) const {
  const auto it = groups_.lower_bound(group_key{model, {}, false});
  return it != groups_.end() && it->first.model == model;
}

bool fair_queue::at_quota(const std::string& name) const {
  const tenant* t = find(name);
  return t != nullptr && t->at_quota();
}

const fair_queue::tenant* fair_queue::find(const std::string& name) const {
  const auto it = tenants_.find(name);
  return it != tenants_.end() ? &it->second : nullptr;
}

fair_queue::tenant& fair_queue::known_tenant(const std::string& name) {
  const auto [it, is_new] = tenants_.try_emplace(name);
  tenant& t = it->second;
  if (is_new) {
    t.name = &it->first;
    const auto terms = terms_.find(name);
    t.terms = terms != terms_.end() ? terms->second : others_;
  }
  return t;
}

fair_queue::group& fair_queue::known_group(const group_key& key) {
  const auto [it, is_new] = groups_.try_emplace(key);
  group& g = it->second;
  if (is_new) {
    g.key = &it->first;
    if (free_ids_.empty()) {
      free_ids_.push_back(static_cast<group_id>(by_id_.size()));
      by_id_.push_back(nullptr);
    }
    g.id = free_ids_.back();
    free_ids_.pop_back();
    const auto [same, is_new_kind] = kinds_.try_emplace(without_shape(key));
    if (is_new_kind) {
      same->second.id = static_cast<std::uint32_t>(kinds_.size() - 1);
      if (!free_kinds_.empty()) {
        same->second.id = free_kinds_.back();
        free_kinds_.pop_back();
      }
    }
    ++same->second.groups;
    g.kind = same->second.id;
    by_id_[g.id] = &g;
  }
  return g;
}

void fair_queue::forget_group(group& g) {
  by_id_[g.id] = nullptr;
  free_ids_.push_back(g.id);
  const auto same = kinds_.find(without_shape(*g.key));
  if (--same->second.groups == 0) {
    free_kinds_.push_back(same->second.id);
    kinds_.erase(same);
  }
  groups_.erase(groups_.find(*g.key));
}

} // namespace tayfa
