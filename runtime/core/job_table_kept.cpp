// Secondary indexes of jobs, and early forgetting of ended jobs.
//
// Retention is shared by the tenants: when it is exceeded, the tenant that holds most loses its
// oldest jobs, so that no result is dropped because of another tenant's large ones.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

// ---- indexes ------------------------------------------------------------------------------------

job_table::tenant_jobs& job_table::tenant_of(const record& r) {
  const auto [it, is_new] = tenants_.try_emplace(r.request.policy.tenant);
  if (is_new) {
    it->second.name = &it->first;
  }
  return it->second;
}

/// A job that is new here; its state is set.
void job_table::enlist(record& r) {
  by_order_.emplace(r.order, &r);
  orders_here_.insert(r.order);
  of_state_.at(static_cast<std::size_t>(r.state.state())).insert(r.order);
  tenant_of(r).orders.insert(r.order);
  of_model_[r.request.model].insert(r.order);
  of_endpoint_[r.request.endpoint].insert(r.order);
  if (r.dead) {
    of_dead_.insert(r.order);
  }
  if (!r.request.origin.empty() && !ended(r)) {
    origins_live_.insert(r.order);
  }
  r.due = next_due(r);
  r.slow = false;
  deadlines_.insert(deadline{r.due, r.order});
}

void job_table::delist(record& r) {
  const auto leave = [&r](auto& index, const std::string& name) {
    const auto entry = index.find(name);
    entry->second.erase(r.order);
    if (entry->second.empty()) {
      index.erase(entry);
    }
  };
  (r.slow ? slow_deadlines_ : deadlines_).erase(deadline{r.due, r.order});
  by_order_.erase(r.order);
  orders_here_.erase(r.order);
  of_state_.at(static_cast<std::size_t>(r.state.state())).erase(r.order);
  leave(of_model_, r.request.model);
  leave(of_endpoint_, r.request.endpoint);
  of_dead_.erase(r.order);
  origins_live_.erase(r.order);
  deliveries_.erase(r.order);
  const auto t = tenants_.find(r.request.policy.tenant);
  t->second.orders.erase(r.order);
  if (t->second.orders.empty()) {
    tenants_.erase(t);
  }
}

void job_table::change_state(record& r, job_state from, job_state to) {
  of_state_.at(static_cast<std::size_t>(from)).erase(r.order);
  of_state_.at(static_cast<std::size_t>(to)).insert(r.order);
}

/// Out of every index; the lists and counts that depend on its state are the caller's.
void job_table::remove(record& r) {
  deliveries_.close(r.order, r.delivery);
  if (r.tallied) {
    numbers_.live(r.request, *r.tallied, -1);
  }
  if (!r.request.policy.idempotency_key.empty()) {
    const auto same = by_key_.find(key_of(r.request));
    if (same != by_key_.end() && same->second == &r) {
      by_key_.erase(same);
    }
  }
  delist(r);
  jobs_.erase(jobs_.find(*r.id));
}

// ---- ended jobs ---------------------------------------------------------------------------------

void job_table::rank(tenant_ranks& ranks, const tenant_jobs& t, std::size_t from, std::size_t to) {
  if (from == to) {
    return;
  }
  if (from > 0) {
    ranks.erase({from, *t.name});
  }
  if (to > 0) {
    ranks.emplace(to, *t.name);
  }
}

void job_table::put_among_ended(record& r) {
  if (r.delivery.undelivered) {
    undelivered_list_.insert(r.order);
    return;
  }
  tenant_jobs& t = tenant_of(r);
  auto& list = r.dead ? t.dead : t.ended;
  list.insert(deadline{r.past_->ended, r.order});
  rank(r.dead ? by_dead_ : by_ended_, t, list.size() - 1, list.size());
  ended_ += r.dead ? 0 : 1;
  rank(by_bytes_, t, t.kept_bytes, t.kept_bytes + r.bytes);
  t.kept_bytes += r.bytes;
  r.listed = true;
}

void job_table::take_from_ended(record& r) {
  if (r.delivery.undelivered) {
    undelivered_list_.erase(r.order);
    return;
  }
  tenant_jobs& t = tenant_of(r);
  auto& list = r.dead ? t.dead : t.ended;
  list.erase(deadline{r.past_->ended, r.order});
  rank(r.dead ? by_dead_ : by_ended_, t, list.size() + 1, list.size());
  ended_ -= r.dead ? 0 : 1;
  rank(by_bytes_, t, t.kept_bytes, t.kept_bytes - r.bytes);
  t.kept_bytes -= r.bytes;
  r.listed = false;
}

void job_table::forget(record& r) {
  kept_bytes_ -= r.bytes;
  take_from_ended(r);
  if (limits_.durable && (r.stored || r.flying != 0)) {
    erased_.push_back(r.order);
  }
  remove(r);
}

// ---- bounds -------------------------------------------------------------------------------------

/// The tenant's oldest; never the newest of all.
job_table::record* job_table::evictable(tenant_jobs& t, const record* newest, bool dead) {
  const auto& list = dead ? t.dead : t.ended;
  if (list.empty()) {
    return nullptr;
  }
  auto oldest = std::optional{list.first()};
  if (newest != nullptr && oldest->second == newest->order) {
    oldest = list.above(*oldest);
  }
  return oldest ? by_order_.at(oldest->second) : nullptr;
}

/// Forgets one job of the tenant that is first in the ranks: where that one has only the newest, of
/// the next, if it has more than its share. False when there is none.
bool job_table::evict(const tenant_ranks& ranks, const record* newest, bool from_ended,
                      bool from_dead, std::size_t fair_share) {
  for (auto most = ranks.rbegin(); most != ranks.rend(); ++most) {
    if (most != ranks.rbegin() && most->first <= fair_share) {
      return false;
    }
    auto& t = tenants_.at(std::string{most->second});
    record* victim = from_ended ? evictable(t, newest, false) : nullptr;
    if (victim == nullptr && from_dead) {
      victim = evictable(t, newest, true);
    }
    if (victim != nullptr) {
      forget(*victim);
      return true;
    }
  }
  return false;
}

void job_table::trim(const record* newest) {
  bool more = true;
  while (more && of_dead_.size() > std::max<std::size_t>(limits_.dead_max, 1)) {
    more = evict(by_dead_, newest, false, true, 0);
  }
  more = true;
  while (more && ended_ > std::max<std::size_t>(limits_.kept_jobs_max, 1)) {
    more = evict(by_ended_, newest, true, false, 0);
  }
  more = true;
  while (more && kept_bytes_ > limits_.kept_bytes_max) {
    const auto tenants = std::max<std::size_t>(by_bytes_.size(), 1);
    more = evict(by_bytes_, newest, true, true, limits_.kept_bytes_max / tenants);
  }
}

} // namespace tayfa
