// The table's invariants, checked from its own books. O(n log n): for tests and simulation.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

void expect(bool holds, const std::string& subject, const char* rule,
            std::vector<std::string>& broken) {
  if (!holds) {
    broken.push_back(subject + ": " + rule);
  }
}

} // namespace

std::vector<std::string> job_table::audit() const {
  std::vector<std::string> broken = deliveries_.audit();
  for (auto& each : pool_.audit()) {
    broken.push_back(std::move(each));
  }
  std::size_t waiting = 0;
  std::size_t asleep = 0;
  std::size_t fresh = 0;
  std::size_t in_progress = 0;
  std::size_t live_bytes = 0;
  std::size_t kept_bytes = 0;
  std::size_t over = 0;
  std::size_t dead = 0;
  std::size_t undelivered = 0;
  std::size_t undelivered_bytes = 0;
  std::size_t origins = 0;
  std::size_t changed = 0;
  std::size_t made = 0;
  std::size_t parked = 0;
  std::size_t largest = 0;
  for (const auto& [id, r] : jobs_) {
    audit_job(id, r, broken);
    over += ended(r) ? 1 : 0;
    dead += r.dead ? 1 : 0;
    undelivered += r.delivery.undelivered ? 1 : 0;
    undelivered_bytes += r.delivery.undelivered ? r.bytes : 0;
    origins += ended(r) || r.request.origin.empty() ? 0 : 1;
    changed += r.changed != 0 ? 1 : 0;
    (ended(r) ? kept_bytes : live_bytes) +=
        r.input_bytes + r.output_bytes + (r.past_ ? r.past_->chunk_bytes : 0);
    made += ended(r) ? 0 : made_by(r);
    const bool queued = r.state.state() == job_state::IN_QUEUE;
    waiting += queued ? 1 : 0;
    asleep += r.sleeping ? 1 : 0;
    parked += r.parked ? 1 : 0;
    largest = std::max(largest, ended(r) && !r.delivery.undelivered ? r.bytes : 0);
    fresh += queued && r.attempts == 0 ? 1 : 0;
    in_progress += r.state.state() == job_state::IN_PROGRESS ? 1 : 0;
  }
  expect(waiting == lines_.size() + sleeping_ + parked_ && parked == parked_, "table",
         "a job IN_QUEUE does not wait, or twice", broken);
  expect(asleep == sleeping_, "table", "sleeping jobs are miscounted", broken);
  expect(fresh <= std::max(limits_.queue_max, restored_), "table",
         "more new jobs wait than queue_max", broken);
  expect(live_bytes == live_bytes_ && kept_bytes == kept_bytes_, "table", "wrong bytes", broken);
  expect(over == ended_ + of_dead_.size() + undelivered && dead == of_dead_.size() &&
             undelivered == undelivered_list_.size(),
         "table", "an ended job is not in its list, or twice", broken);
  expect(made == made_.total() && made <= limits_.made_bytes_max, "table",
         "what running jobs made is miscounted, or too much", broken);
  expect(origins == origins_live_.size(), "table", "platform jobs are miscounted", broken);
  expect(over - undelivered <= 1 ||
             (kept_bytes - undelivered_bytes <= limits_.kept_bytes_max + largest &&
              ended_ <= std::max<std::size_t>(limits_.kept_jobs_max, 1)),
         "table", "more is kept of ended jobs than allowed", broken);
  expect(dead <= std::max<std::size_t>(limits_.dead_max, 1), "table", "too many dead jobs", broken);
  expect(in_progress == running_, "table", "running() is wrong", broken);
  expect(deadlines_.size() + slow_deadlines_.size() == jobs_.size(), "table",
         "a job has no deadline, or two", broken);
  expect(by_order_.size() == jobs_.size(), "table", "a job is not known by its order", broken);
  expect(limits_.durable ? changed <= dirty_.size() : changed == 0 && dirty_.empty(), "table",
         "a changed row is not noted", broken);
  const auto numbers = numbers_.of({});
  expect(numbers.in_queue == waiting && numbers.in_progress == in_progress &&
             numbers.completed == counts_.completed && numbers.failed == counts_.failed &&
             numbers.cancelled == counts_.cancelled && numbers.timed_out == counts_.timed_out &&
             numbers.retried == counts_.retried,
         "table", "the numbers by endpoint and tenant are not those of all jobs", broken);
  audit_indexes(broken);
  audit_waiting(broken);
  audit_workers(broken);
  return broken;
}

/// Every job is in the indexes of what it is, and these hold nothing else; what is kept of each
/// tenant is counted.
void job_table::audit_indexes(std::vector<std::string>& broken) const {
  std::map<std::string, std::size_t> kept_of;
  std::map<std::string, std::size_t> live_of;
  for (const auto& [id, r] : jobs_) {
    const auto within = [&r](const auto& index, const std::string& name) {
      const auto entry = index.find(name);
      return entry != index.end() && entry->second.contains(r.order);
    };
    const auto t = tenants_.find(r.request.policy.tenant);
    const bool found = orders_here_.contains(r.order) && t != tenants_.end() &&
                       t->second.orders.contains(r.order) && within(of_model_, r.request.model) &&
                       within(of_endpoint_, r.request.endpoint) &&
                       of_state_.at(static_cast<std::size_t>(r.state.state())).contains(r.order) &&
                       of_dead_.contains(r.order) == r.dead &&
                       deliveries_.is_out(r.order) == r.delivery.out &&
                       origins_live_.contains(r.order) == (!ended(r) && !r.request.origin.empty());
    expect(found, id.str(), "is not in an index, or in one of others", broken);
    expect(r.listed == (ended(r) && !r.delivery.undelivered), id.str(), "is not counted as kept",
           broken);
    kept_of[r.request.policy.tenant] += r.listed ? r.bytes : 0;
    live_of[r.request.policy.tenant] += ended(r) ? 0 : 1;
  }
  const auto sum = [](const auto& index) {
    std::size_t all = 0;
    for (const auto& [name, orders] : index) {
      all += orders.size();
    }
    return all;
  };
  std::size_t by_state = 0;
  for (const auto& orders : of_state_) {
    by_state += orders.size();
  }
  std::size_t by_tenant = 0;
  for (const auto& [name, t] : tenants_) {
    by_tenant += t.orders.size();
    expect(t.kept_bytes == kept_of[name] && t.live == live_of[name], "tenant " + name,
           "what is here of it is miscounted", broken);
    expect(by_bytes_.contains({t.kept_bytes, name}) == (t.kept_bytes > 0) &&
               by_ended_.contains({t.ended.size(), name}) == !t.ended.empty() &&
               by_dead_.contains({t.dead.size(), name}) == !t.dead.empty(),
           "tenant " + name, "is not ranked", broken);
  }
  const auto all = jobs_.size();
  expect(orders_here_.size() == all && by_state == all && by_tenant == all &&
             sum(of_model_) == all && sum(of_endpoint_) == all,
         "table", "an index holds what is not here", broken);
}

/// Every waiting job has a reason: when a worker has room for it, the last decision has passed over
/// its group and recorded why, or its tenant is at its quota.
void job_table::audit_waiting(std::vector<std::string>& broken) const {
  for (const auto& [id, r] : jobs_) {
    if (stopping_ || cut_short_ || r.state.state() != job_state::IN_QUEUE || r.sleeping ||
        r.parked) {
      continue;
    }
    const auto& all = pool_.all();
    const bool room = std::any_of(all.begin(), all.end(), [&](const auto& entry) {
      const pool_worker& w = entry.second;
      return pool_.runs_now(w, needs_of(r));
    });
    const bool excused =
        noted(place_of(r).group) != wait_reason::none || lines_.at_quota(r.request.policy.tenant);
    expect(!room || excused, id.str(), "waits without a reason while a worker has room", broken);
  }
}

void job_table::audit_job(const job_id& id, const record& r,
                          std::vector<std::string>& broken) const {
  const auto& name = id.str();
  const auto state = r.state.state();
  expect(r.id == &id, name, "does not know its id", broken);
  expect((r.slow ? slow_deadlines_ : deadlines_).contains({r.due, r.order}), name,
         "its deadline is not kept", broken);
  expect(r.due == next_due(r), name, "its deadline is not the next one", broken);
  const auto ordered = by_order_.find(r.order);
  expect(ordered != by_order_.end() && ordered->second == &r, name, "is not under its order",
         broken);
  expect(r.attempts - r.free_attempts <= limits_.max_attempts, name, "more attempts than allowed",
         broken);
  const bool has_chunks = r.past_ && !r.past_->chunks.empty();
  expect(!has_chunks || r.past_->chunks.size() <= limits_.chunks_max, name,
         "too many unread chunks", broken);
  expect(!r.past_ || r.past_->history.size() <= limits_.history_max, name, "too much history",
         broken);
  expect(state != job_state::IN_PROGRESS || r.attempts > 0, name, "runs without an attempt",
         broken);
  const bool has_reason = state == job_state::FAILED || state == job_state::TIMED_OUT;
  expect((r.past_ && r.past_->failure.has_value()) == has_reason, name,
         "failure does not fit the state", broken);
  expect(state == job_state::COMPLETED || state == job_state::IN_PROGRESS || r.output_bytes == 0,
         name, "shows an output though it neither runs nor completed", broken);
  expect(state != job_state::IN_QUEUE || !has_chunks, name, "has chunks of a lost attempt", broken);
  expect(state != job_state::CANCELLED || !has_chunks, name, "has chunks after its cancel", broken);
  const bool done =
      state == job_state::COMPLETED || (state == job_state::CANCELLED && r.request.origin.empty());
  expect(!done || r.input_bytes == 0, name, "keeps its input after its end", broken);
  expect(!r.dead || state == job_state::FAILED, name, "is dead but has not failed", broken);
  expect(!r.delivery.open || ended(r), name, "calls its webhook before its end", broken);
  expect(!r.delivery.waits || (r.delivery.open && !r.delivery.out && !r.delivery.undelivered), name,
         "waits for a call of its webhook that is not to be made", broken);
  expect(r.delivery.waits == deliveries_.has_place(r.order), name,
         "its webhook has no turn, or too many", broken);
  expect(!r.delivery.undelivered || (r.delivery.open && !r.request.origin.empty()), name,
         "has a result to deliver that nobody waits for", broken);
  if (state == job_state::IN_PROGRESS) {
    const auto* w = pool_.present(r.holder);
    expect(w != nullptr && w->holds.contains(attempt_ref{id, r.attempts}), name,
           "runs but its worker does not hold it", broken);
  }
}

void job_table::audit_workers(std::vector<std::string>& broken) const {
  std::size_t held = 0; // by a worker, and current
  for (const auto& [place, w] : pool_.all()) {
    for (const auto& [attempt, run] : w.holds) {
      const auto entry = jobs_.find(attempt.job);
      held += entry != jobs_.end() && entry->second.state.state() == job_state::IN_PROGRESS &&
                      entry->second.attempts == attempt.number && entry->second.holder == w.ref
                  ? 1
                  : 0;
    }
  }
  expect(held == running_, "table", "a running attempt is held by nobody, or twice", broken);
}

} // namespace tayfa
