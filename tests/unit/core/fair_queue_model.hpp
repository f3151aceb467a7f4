// A naive fair_queue: keeps the jobs in one heap of no order and computes everything anew, by
// looking at all of them. What the real one must answer, for tests of few groups.
#pragma once

#include "runtime/core/fairness/fair_queue.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tayfa::testing {

class fair_queue_model {
 public:
  using place = fair_queue::place;

  struct tenant {
    tenant_terms terms;
    double virtual_ms = 0;
    double unsettled_ms = 0; ///< the part of it that is only expected
    std::uint64_t since = 0;
    std::size_t running = 0;
  };

  fair_queue_model(std::map<std::string, tenant_terms> known, tenant_terms others)
      : terms_(std::move(known)), others_(others) {}

  void add(const place& p) {
    tenant& t = of(p.tenant);
    if (waiting(p.tenant) == 0) {
      t.virtual_ms = std::max(t.virtual_ms, start_for(p.group));
      t.since = ++ticks_;
    }
    jobs_.push_back(p);
    forget();
  }
  void remove(const place& p) {
    std::erase_if(jobs_, [&](const place& q) { return q.order == p.order; });
  }
  void started(const std::string& name, double ms) {
    tenant& t = of(name);
    ++t.running;
    highest_ = std::max(highest_, t.virtual_ms - t.unsettled_ms);
    const double more = ms / t.terms.weight * scale_;
    t.virtual_ms += more;
    t.unsettled_ms += more;
    in_flight_ms_ += ms;
    double weights = 0;
    for (const auto& [other, terms] : tenants_) {
      weights += waiting(other) + terms.running > 0 ? terms.terms.weight : 0;
    }
    longest_turn_ms_ = std::max(longest_turn_ms_, ms * std::max(1.0, weights / t.terms.weight));
    const double horizon = 600'000 + 64 * (longest_turn_ms_ + in_flight_ms_);
    longest_turn_ms_ *= 1 - ms / horizon;
    scale_ *= std::exp(ms / horizon);
    forget();
  }
  void ended(const std::string& name, double ms, double took) {
    tenant& t = of(name);
    --t.running;
    const double per_ms = scale_ / t.terms.weight;
    t.unsettled_ms = std::max(0.0, t.unsettled_ms - ms * per_ms);
    t.virtual_ms = std::max(0.0, t.virtual_ms + (took - ms) * per_ms);
    in_flight_ms_ = std::max(0.0, in_flight_ms_ - ms);
    forget();
  }

  const place* first(const std::vector<group_key>& passed) const {
    return best([&](const place& p) {
      return std::find(passed.begin(), passed.end(), p.group) == passed.end();
    });
  }
  const place* first_of(const group_key& key) const {
    return best([&](const place& p) { return p.group == key; });
  }
  std::size_t waiting(const std::string& name) const {
    return static_cast<std::size_t>(std::count_if(
        jobs_.begin(), jobs_.end(), [&](const place& p) { return p.tenant == name; }));
  }
  std::size_t running(const std::string& name) const {
    const auto it = tenants_.find(name);
    return it != tenants_.end() ? it->second.running : 0;
  }
  const std::vector<place>& jobs() const { return jobs_; }
  std::size_t tenants() const { return tenants_.size(); }

 private:
  static bool at_quota(const tenant& t) {
    return t.terms.running_max > 0 && t.running >= t.terms.running_max;
  }
  tenant& of(const std::string& name) {
    const auto [it, is_new] = tenants_.try_emplace(name);
    if (is_new) {
      it->second.terms = terms_.contains(name) ? terms_.at(name) : others_;
    }
    return it->second;
  }

  template <class Wanted>
  const place* best(const Wanted& wanted) const {
    std::vector<const place*> order;
    for (const place& p : jobs_) {
      if (wanted(p) && !at_quota(tenants_.at(p.tenant))) {
        order.push_back(&p);
      }
    }
    const auto rank = [&](const place* p) {
      const tenant& t = tenants_.at(p->tenant);
      return std::tuple(t.virtual_ms, t.since, p->urgency, p->order);
    };
    std::sort(order.begin(), order.end(),
              [&](const place* a, const place* b) { return rank(a) < rank(b); });
    return order.empty() ? nullptr : order.front();
  }
  template <class Wanted>
  std::optional<double> least(const Wanted& wanted, bool held_too) const {
    std::optional<double> found;
    for (const place& p : jobs_) {
      const tenant& t = tenants_.at(p.tenant);
      if (wanted(p) && (held_too || !at_quota(t))) {
        found = std::min(found.value_or(t.virtual_ms), t.virtual_ms);
      }
    }
    return found;
  }
  double start_for(const group_key& key) const {
    auto found = least([&](const place& p) { return p.group == key; }, false);
    if (!found) {
      found = least([&](const place& p) { return p.group.model == key.model; }, false);
    }
    if (!found) {
      found = least([](const place&) { return true; }, false);
    }
    return std::min(found.value_or(highest_), highest_);
  }
  void forget() {
    const double bound =
        std::min(least([](const place&) { return true; }, true).value_or(highest_), highest_);
    std::erase_if(tenants_, [&](const auto& entry) {
      return waiting(entry.first) + entry.second.running == 0 && entry.second.virtual_ms <= bound;
    });
  }

  std::map<std::string, tenant_terms> terms_;
  tenant_terms others_;
  std::vector<place> jobs_;
  std::map<std::string, tenant> tenants_;
  std::uint64_t ticks_ = 0;
  double highest_ = 0;
  double scale_ = 1;
  double longest_turn_ms_ = 0;
  double in_flight_ms_ = 0;
};

} // namespace tayfa::testing
