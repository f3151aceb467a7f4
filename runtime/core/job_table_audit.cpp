// The table's invariants, checked from what it knows. O(n log n): for tests and simulation.
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
  jobs_.audit(broken);
  std::size_t waiting = 0;
  std::size_t asleep = 0;
  std::size_t parked = 0;
  std::size_t fresh = 0;
  std::size_t in_progress = 0;
  for (const auto& [id, r] : jobs_.all()) {
    audit_job(id, r, broken);
    const bool queued = r.state.state() == job_state::IN_QUEUE;
    waiting += queued ? 1 : 0;
    asleep += r.sleeping ? 1 : 0;
    parked += r.parked ? 1 : 0;
    fresh += queued && r.attempts == 0 ? 1 : 0;
    in_progress += r.state.state() == job_state::IN_PROGRESS ? 1 : 0;
  }
  expect(waiting == queue_.size() + sleeping_ + parked_ && parked == parked_, "table",
         "a job IN_QUEUE does not wait, or twice", broken);
  expect(asleep == sleeping_, "table", "sleeping jobs are miscounted", broken);
  expect(fresh <= std::max(limits_.queue_max, restored_), "table",
         "more new jobs wait than queue_max", broken);
  expect(in_progress == running_, "table", "running() is wrong", broken);
  const auto numbers = jobs_.numbers().of({});
  expect(numbers.in_queue == waiting && numbers.in_progress == in_progress &&
             numbers.completed == counts_.completed && numbers.failed == counts_.failed &&
             numbers.cancelled == counts_.cancelled && numbers.timed_out == counts_.timed_out &&
             numbers.retried == counts_.retried,
         "table", "the numbers by endpoint and tenant are not those of all jobs", broken);
  audit_waiting(broken);
  audit_workers(broken);
  return broken;
}

/// Every waiting job has a reason: when a worker has room for it, the last decision has passed over
/// its group and recorded why, or its tenant is at its quota.
void job_table::audit_waiting(std::vector<std::string>& broken) const {
  for (const auto& [id, r] : jobs_.all()) {
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
        noted(place_of(r).group) != wait_reason::none || queue_.at_quota(r.request.policy.tenant);
    expect(!room || excused, id.str(), "waits without a reason while a worker has room", broken);
  }
}

void job_table::audit_job(const job_id& id, const record& r,
                          std::vector<std::string>& broken) const {
  const auto& name = id.str();
  const auto state = r.state.state();
  expect(r.attempts - r.uncharged_attempts <= limits_.max_attempts, name,
         "more attempts than allowed", broken);
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
      state == job_state::COMPLETED || (state == job_state::CANCELLED && !r.of_platform());
  expect(!done || r.input_bytes == 0, name, "keeps its input after its end", broken);
  expect(!r.dead || state == job_state::FAILED, name, "is dead but has not failed", broken);
  expect(!r.delivery.open || r.ended(), name, "calls its webhook before its end", broken);
  expect(!r.delivery.waits || (r.delivery.open && !r.delivery.out && !r.delivery.undelivered), name,
         "waits for a call of its webhook that is not to be made", broken);
  expect(r.delivery.waits == deliveries_.has_place(r.order), name,
         "its webhook has no turn, or too many", broken);
  expect(!r.delivery.undelivered || (r.delivery.open && r.of_platform()), name,
         "has a result to deliver that no receiver waits for", broken);
  expect(r.unclaimed == unclaimed_.contains({r.holder.place(), r.order}), name,
         "is unclaimed, and not among those, or the reverse", broken);
  expect(!r.unclaimed || (state == job_state::IN_PROGRESS && r.lasting), name,
         "is unclaimed, and its worker does not go on", broken);
  expect(!r.ended() || !r.lasting, name, "has ended and may be claimed", broken);
  if (state == job_state::IN_PROGRESS && !r.unclaimed) {
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
      held += entry != nullptr && entry->state.state() == job_state::IN_PROGRESS &&
                      entry->attempts == attempt.number && entry->holder == w.ref
                  ? 1
                  : 0;
    }
  }
  expect(held + unclaimed_.size() == running_, "table",
         "a running attempt is held by no worker, or by two", broken);
}

} // namespace tayfa
