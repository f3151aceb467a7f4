// Keeps tenants and groups in the orders of fair_queue, and maintains the values of their turns.
#include "runtime/core/fairness/fair_queue.hpp"

#include <algorithm>
#include <cmath>

namespace tayfa {
namespace {

constexpr std::size_t broad_min = fair_queue::narrow_max / 2; ///< so that nothing goes to and fro
/// The horizon, in milliseconds given to all, and in the longest turns and whole rounds of runs.
constexpr double horizon_min_ms = 600'000;
constexpr double horizon_turns = 64;
constexpr int scale_max_exponent = 300;

} // namespace

void fair_queue::list(tenant& t) {
  if (t.waiting == 0) {
    t.listed = t.running == 0 ? listing::idle : listing::nowhere;
    if (t.listed == listing::idle) {
      idle_.insert(t.now());
    }
    return;
  }
  t.wide = t.subqueues.size() > (t.wide ? broad_min : narrow_max);
  if (t.at_quota()) {
    t.listed = listing::held;
    held_.insert(t.now());
  } else if (t.wide) {
    t.listed = listing::broad;
    broad_.insert(t.now());
  } else {
    t.listed = listing::narrow;
    for (auto& [id, l] : t.subqueues) {
      l.in->turns.insert(t.now());
      rank(*l.in);
    }
  }
}

void fair_queue::unlist(tenant& t) {
  switch (t.listed) {
  case listing::nowhere: break;
  case listing::narrow:
    for (auto& [id, l] : t.subqueues) {
      l.in->turns.erase(t.now());
      rank(*l.in);
    }
    break;
  case listing::broad: broad_.erase(t.now()); break;
  case listing::held: held_.erase(t.now()); break;
  case listing::idle: idle_.erase(t.now()); break;
  }
  t.listed = listing::nowhere;
}

void fair_queue::subqueue_made(tenant& t, subqueue& l) {
  if (t.listed != listing::narrow) {
    return; // a broad or held tenant is found by itself, not by its subqueues
  }
  l.in->turns.insert(t.now());
  rank(*l.in);
  if (t.subqueues.size() > narrow_max) {
    unlist(t);
    list(t);
  }
}

void fair_queue::subqueue_gone(tenant& t, group& g) {
  if (t.listed == listing::narrow) {
    g.turns.erase(t.now());
    rank(g);
  } else if (t.listed == listing::broad && t.subqueues.size() <= broad_min) {
    unlist(t);
    list(t);
  }
}

void fair_queue::rank(group& g) {
  std::optional<group_turn> now;
  if (!g.turns.empty()) {
    now.emplace(g.turns.begin()->at, g.turns.begin()->since, g.id);
  }
  if (now == g.ranked) {
    return;
  }
  if (g.ranked) {
    ranking_.erase(*g.ranked);
  }
  if (now) {
    ranking_.insert(*now);
  }
  g.ranked = now;
}

void fair_queue::set_active(tenant& t, bool was_active) {
  if (t.active() == was_active) {
    return;
  }
  if (t.active()) {
    ++active_;
    active_weight_ += t.terms.weight;
  } else {
    --active_;
    active_weight_ = active_ > 0 ? active_weight_ - t.terms.weight : 0;
  }
}

std::optional<double> fair_queue::least() const {
  std::optional<double> found;
  if (!ranking_.empty()) {
    found = std::get<0>(*ranking_.begin());
  }
  if (!broad_.empty()) {
    found = std::min(found.value_or(broad_.begin()->at), broad_.begin()->at);
  }
  return found;
}

/// The turn with which an idle tenant joins the others of its group: machines that those could not
/// use meanwhile (because their model has no worker) do not put it before its competitors. Never
/// later than the latest turn started: a tenant that waits beyond that was given more than others.
double fair_queue::start_for(const group& g) const {
  constexpr int groups_looked_at = 16;
  if (g.ranked) {
    return std::min(std::get<0>(*g.ranked), highest_);
  }
  std::optional<double> found;
  auto it = groups_.lower_bound(group_key{g.key->model, {}, false});
  for (int looked = 0; it != groups_.end() && looked < groups_looked_at; ++it, ++looked) {
    if (it->first.model != g.key->model) {
      break;
    }
    if (it->second.ranked) {
      const double at = std::get<0>(*it->second.ranked);
      found = std::min(found.value_or(at), at);
    }
  }
  if (!found) {
    found = least();
  }
  return std::min(found.value_or(highest_), highest_);
}

/// An idle tenant that got less than every waiting tenant joins them as a new tenant would.
void fair_queue::forget_idle() {
  while (!idle_.empty()) {
    const turn first = *idle_.begin();
    double bound = std::min(least().value_or(highest_), highest_);
    if (!held_.empty()) {
      bound = std::min(bound, held_.begin()->at);
    }
    if (first.at > bound && idle_.size() <= idle_max) {
      return;
    }
    idle_.erase(idle_.begin());
    tenants_.erase(tenants_.find(*first.who->name));
  }
}

void fair_queue::charge(tenant& t, double ms) {
  const double more = ms / t.terms.weight * scale_;
  t.virtual_ms += more;
  t.unsettled_ms += more;
  in_flight_ms_ += ms;
  // While all get their share, so much is given until this tenant's next turn.
  const double turn_ms = ms * std::max(1.0, active_weight_ / t.terms.weight);
  longest_turn_ms_ = std::max(longest_turn_ms_, turn_ms);
  const double horizon = horizon_min_ms + horizon_turns * (longest_turn_ms_ + in_flight_ms_);
  longest_turn_ms_ *= 1 - ms / horizon;
  scale_ *= std::exp(ms / horizon);
  if (std::ilogb(scale_) >= scale_max_exponent) {
    rescale();
  }
}

/// The real time of a run replaces the expected one, both at today's worth.
void fair_queue::settle(tenant& t, double expected, double took) {
  const double per_ms = scale_ / t.terms.weight;
  t.unsettled_ms = std::max(0.0, t.unsettled_ms - expected * per_ms);
  t.virtual_ms = std::max(0.0, t.virtual_ms + (took - expected) * per_ms);
}

/// Divides every virtual time by the scale's power of two, before they grow out of a double.
void fair_queue::rescale() {
  const int exponent = std::ilogb(scale_);
  for (auto& [name, t] : tenants_) {
    unlist(t);
  }
  for (auto& [name, t] : tenants_) {
    t.virtual_ms = std::ldexp(t.virtual_ms, -exponent);
    t.unsettled_ms = std::ldexp(t.unsettled_ms, -exponent);
    list(t);
  }
  scale_ = std::ldexp(scale_, -exponent);
  highest_ = std::ldexp(highest_, -exponent);
}

} // namespace tayfa
