// Deliveries after a job's end: its webhook is called, and the result of a platform's job is
// delivered to that platform.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

/// The job has ended, or its platform asks again for how it ended.
void job_table::open_delivery(moment now, record& r, effects& out) {
  if (r.of_platform()) {
    jobs_.take_from_ended(r);
    r.delivery.undelivered = true;
    jobs_.put_among_ended(r);
  } else if (r.request.webhook.empty() || limits_.hook_tries == 0) {
    return;
  }
  deliveries_.open(r.delivery);
  deliver(now, r, out);
}

/// The platform gives a job again that COMPLETED: it has not received the result, or not kept it.
void job_table::deliver_again(moment now, record& r, effects& out) {
  r.keep_until = std::max(r.keep_until, now + deliveries::result_least);
  open_delivery(now, r, out);
}

/// Begins a delivery that is due: a result for a platform is posted at once, a webhook when a call
/// may begin.
void job_table::deliver(moment now, record& r, effects& out) {
  if (!r.delivery.undelivered) {
    deliveries_.wait(r.order, r.delivery, r.request.policy.tenant, r.request.webhook,
                     r.output_bytes);
    jobs_.schedule(r);
    begin_calls(now, out);
    return;
  }
  begin_try(now, r);
  deliver_result d{view_of(r), r.request.origin};
  d.chunks.assign(r.past_->chunks.begin(), r.past_->chunks.end());
  d.whole = r.past_->chunks_taken == 0 && r.past_->chunks_dropped == 0;
  d.refresh = r.refresh;
  d.number = r.delivery.tries;
  d.left =
      std::max(std::chrono::duration_cast<milliseconds>(deliver_until(r) - now), milliseconds{0});
  out.emplace_back(std::move(d));
  jobs_.schedule(r);
}

void job_table::begin_try(moment now, record& r, std::uint64_t call) {
  deliveries_.begin(r.order, r.delivery, call);
  r.not_before = now; // should its end not be reported
  jobs_.mark_changed(r, store::part_state);
}

void job_table::begin_calls(moment now, effects& out) {
  while (const auto turn = deliveries_.next(now)) {
    record& r = jobs_.at(turn->order);
    begin_try(now, r, turn->call);
    out.emplace_back(notify{r.request.webhook, view_of(r), r.delivery.tries, r.delivery.call});
    jobs_.schedule(r);
  }
}

void job_table::close_delivery(record& r) {
  deliveries_.close(r.order, r.delivery);
  if (r.delivery.undelivered) {
    jobs_.take_from_ended(r);
    r.delivery.undelivered = false;
    jobs_.put_among_ended(r);
  }
  jobs_.mark_changed(r, store::part_state);
  jobs_.schedule(r);
}

moment job_table::deliver_until(const record& r) const {
  return std::max({jobs_.ttl_end(r), r.past_->ended + deliveries::result_least, r.keep_until});
}

std::uint8_t job_table::tries_known(const record& r, std::uint32_t begun) const {
  return deliveries_.tries_known(r.of_platform(), begun);
}

bool job_table::webhook_is_pending(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry != nullptr && entry->delivery.open;
}

std::uint64_t job_table::hook_call(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry != nullptr && entry->delivery.out ? entry->delivery.call : 0;
}

effects job_table::notified(moment now, const job_id& id, std::uint64_t call, hook_answer how) {
  effects out;
  const auto entry = jobs_.find(id);
  record* r = entry == nullptr ? nullptr : entry;
  if (deliveries_.answered(now, call, how, r == nullptr ? 0 : r->order,
                           r == nullptr ? nullptr : &r->delivery)) {
    r->not_before = deliveries_.next_call(now);
    jobs_.mark_changed(*r, store::part_state);
    jobs_.schedule(*r);
  }
  begin_calls(now, out);
  return out;
}

effects job_table::posted(moment now, const job_id& id, bool settled, milliseconds pause) {
  const auto entry = jobs_.find(id);
  if (entry == nullptr || !entry->delivery.undelivered || (!entry->delivery.out && !settled)) {
    return {}; // any try may report that the delivery is settled
  }
  record& r = *entry;
  const auto again = settled
                         ? std::nullopt
                         : deliveries_.next_post(now, r.order, r.delivery, pause, deliver_until(r));
  if (!again) {
    close_delivery(r);
    jobs_.trim(nullptr);
    return {};
  }
  r.not_before = *again;
  jobs_.mark_changed(r, store::part_state);
  jobs_.schedule(r);
  return {};
}

/// The outcome of what is being delivered will not be reported: each last try is made again.
void job_table::forget_tries_under_way(moment now, effects& out) {
  for (const auto order : deliveries_.out()) {
    record& r = jobs_.at(order);
    deliveries_.give_up_try(order, r.delivery);
    r.delivery.tries = tries_known(r, r.delivery.tries);
    jobs_.schedule(r);
  }
  deliveries_.forget_calls();
  begin_calls(now, out);
}

effects job_table::posts_lost(moment) {
  for (const auto order : deliveries_.out()) {
    if (record& r = jobs_.at(order); r.delivery.undelivered) {
      deliveries_.give_up_try(order, r.delivery);
      jobs_.schedule(r);
    }
  }
  return {};
}

const std::string* job_table::origin_of(const job_id& id) const {
  const auto* entry = jobs_.find(id);
  return entry == nullptr || !entry->of_platform() ? nullptr : &entry->request.origin;
}

std::vector<std::pair<job_id, std::string>> job_table::origins() const {
  std::vector<std::pair<job_id, std::string>> out;
  out.reserve(jobs_.origins_live().size());
  for (auto next = jobs_.origins_live().above(0); next; next = jobs_.origins_live().above(*next)) {
    const record& r = jobs_.at(*next);
    out.emplace_back(*r.id, r.request.origin);
  }
  return out;
}

} // namespace tayfa
