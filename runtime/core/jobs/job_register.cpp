// Which jobs there are, under which indexes, and when each is due next.
#include "runtime/core/jobs/job_register.hpp"

#include <algorithm>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

constexpr moment never = moment::max();

const job_register::order_set& under(const auto& index, const std::string& name) {
  static const job_register::order_set none;
  const auto entry = index.find(name);
  return entry == index.end() ? none : entry->second;
}

} // namespace

// ---- which there are ----------------------------------------------------------------------------

job_record* job_register::find(const job_id& id) {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() ? nullptr : &entry->second;
}

const job_record* job_register::find(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() ? nullptr : &entry->second;
}

/// The parts cannot be confused: none of them may hold a line break.
std::string job_register::key_of(const job_request& r) {
  return r.endpoint + '\n' + r.policy.tenant + '\n' + r.policy.idempotency_key;
}

job_record* job_register::same_key(const job_request& request) {
  const auto same = by_key_.find(key_of(request));
  return same == by_key_.end() ? nullptr : same->second;
}

job_record* job_register::find_kept(moment now, const job_id& id, const job_access& who) {
  return const_cast<job_record*>(std::as_const(*this).find_kept(now, id, who));
}

const job_record* job_register::find_kept(moment now, const job_id& id,
                                          const job_access& who) const {
  const auto* r = find(id);
  return r == nullptr || !kept(now, *r) || hidden(id, who) ? nullptr : r;
}

bool job_register::hidden(const job_id& id, const job_access& who) const {
  const auto* r = find(id);
  return r != nullptr && !who.covers(r->request.endpoint, r->request.policy.tenant);
}

job_record& job_register::add(job_id id) {
  const auto entry = jobs_.try_emplace(std::move(id)).first;
  entry->second.id = &entry->first;
  return entry->second;
}

void job_register::enlist(job_record& r) {
  if (!r.request.policy.idempotency_key.empty()) {
    by_key_[key_of(r.request)] = &r;
  }
  by_order_.emplace(r.order, &r);
  orders_.insert(r.order);
  of_state_.at(static_cast<std::size_t>(r.state.state())).insert(r.order);
  tenant_of(r).orders.insert(r.order);
  of_model_[r.request.model].insert(r.order);
  of_endpoint_[r.request.endpoint].insert(r.order);
  if (r.dead) {
    dead_.insert(r.order);
  }
  if (!r.ended()) {
    count_live(r, true);
  }
  r.due = next_due(r);
  r.slow = false;
  urgent_.insert(deadline{r.due, r.order});
}

void job_register::delist(job_record& r) {
  const auto leave = [&r](auto& index, const std::string& name) {
    const auto entry = index.find(name);
    entry->second.erase(r.order);
    if (entry->second.empty()) {
      index.erase(entry);
    }
  };
  (r.slow ? slow_ : urgent_).erase(deadline{r.due, r.order});
  by_order_.erase(r.order);
  orders_.erase(r.order);
  of_state_.at(static_cast<std::size_t>(r.state.state())).erase(r.order);
  leave(of_model_, r.request.model);
  leave(of_endpoint_, r.request.endpoint);
  dead_.erase(r.order);
  origins_live_.erase(r.order);
  deliveries_.erase(r.order);
  const auto t = tenants_.find(r.request.policy.tenant);
  t->second.orders.erase(r.order);
  if (t->second.orders.empty()) {
    tenants_.erase(t);
  }
}

void job_register::remove(job_record& r) {
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

void job_register::uncount(job_record& r) {
  (r.kept ? kept_bytes_ : live_bytes_) -= r.bytes;
  made_.set(r.request.policy.tenant, r.order, 0);
}

job_register::tenant_jobs& job_register::tenant_of(const job_record& r) {
  const auto [it, is_new] = tenants_.try_emplace(r.request.policy.tenant);
  if (is_new) {
    it->second.name = &it->first;
  }
  return it->second;
}

const job_register::order_set& job_register::of_tenant(const std::string& name) const {
  static const order_set none;
  const auto t = tenants_.find(name);
  return t == tenants_.end() ? none : t->second.orders;
}

const job_register::order_set& job_register::of_model(const std::string& name) const {
  return under(of_model_, name);
}

const job_register::order_set& job_register::of_endpoint(const std::string& name) const {
  return under(of_endpoint_, name);
}

std::size_t job_register::live_of(const std::string& tenant) const {
  const auto t = tenants_.find(tenant);
  return t == tenants_.end() ? 0 : t->second.live;
}

// ---- what changes with a job's life -------------------------------------------------------------

void job_register::change_state(job_record& r, job_state from, job_state to) {
  of_state_.at(static_cast<std::size_t>(from)).erase(r.order);
  of_state_.at(static_cast<std::size_t>(to)).insert(r.order);
}

void job_register::change_model(job_record& r, const std::string& to) {
  const auto before = of_model_.find(r.request.model);
  before->second.erase(r.order);
  if (before->second.empty()) {
    of_model_.erase(before);
  }
  r.request.model = to;
  of_model_[to].insert(r.order);
}

void job_register::count_live(job_record& r, bool live) {
  tenant_of(r).live += live ? 1 : 0;
  tenant_of(r).live -= live ? 0 : 1;
  if (r.of_platform()) {
    live ? origins_live_.insert(r.order) : origins_live_.erase(r.order);
  }
}

void job_register::mark_dead(job_record& r, bool dead) {
  r.dead = dead;
  dead ? dead_.insert(r.order) : dead_.erase(r.order);
}

void job_register::tally(job_record& r) {
  const auto now = r.ended() ? std::nullopt : std::optional{r.state.state()};
  if (r.tallied == now) {
    return;
  }
  if (r.tallied) {
    numbers_.live(r.request, *r.tallied, -1);
  }
  if (now) {
    numbers_.live(r.request, *now, 1);
  }
  r.tallied = now;
}

// ---- times --------------------------------------------------------------------------------------

moment job_register::ttl_end(const job_record& r) const {
  return r.life_began + r.request.policy.ttl.value_or(limits_.ttl);
}

moment job_register::run_end(const job_record& r) const {
  return r.began.value_or(r.assigned) +
         r.request.policy.execution_timeout.value_or(limits_.execution_timeout);
}

moment job_register::forget_at(const job_record& r) const {
  const auto keep =
      r.dead ? limits_.keep_dead : (r.request.sync ? limits_.keep_sync : limits_.keep_async);
  return std::max(r.past_->ended + keep, r.keep_until);
}

bool job_register::kept(moment now, const job_record& r) const {
  return !r.ended() || r.delivery.undelivered || now < forget_at(r);
}

moment job_register::next_due(const job_record& r) const {
  switch (r.state.state()) {
  case job_state::IN_QUEUE: return r.sleeping ? std::min(r.not_before, ttl_end(r)) : ttl_end(r);
  case job_state::IN_PROGRESS: return std::min({run_end(r), ttl_end(r), r.lease_end});
  case job_state::COMPLETED:
  case job_state::FAILED:
  case job_state::CANCELLED:
  case job_state::TIMED_OUT: break;
  }
  if (r.delivery.open && (r.delivery.out || r.delivery.waits)) {
    return never; // notified() comes, of this call or of another one
  }
  if (r.delivery.open) {
    return r.not_before;
  }
  const auto step = duration_cast<moment::duration>(limits_.forget_step);
  const auto at = forget_at(r);
  return step.count() > 0 ? at + step - at.time_since_epoch() % step : at;
}

void job_register::schedule(job_record& r) {
  const auto due = next_due(r);
  const bool slow =
      (r.state.state() == job_state::IN_QUEUE && !r.sleeping) || (r.ended() && !r.delivery.open);
  if (due == r.due && slow == r.slow) {
    return;
  }
  (r.slow ? slow_ : urgent_).erase(deadline{r.due, r.order});
  r.due = due;
  r.slow = slow;
  (r.slow ? slow_ : urgent_).insert(deadline{r.due, r.order});
}

} // namespace tayfa
