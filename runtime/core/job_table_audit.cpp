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
  std::vector<std::string> broken;
  std::size_t waiting = 0;
  std::size_t fresh = 0;
  std::size_t in_progress = 0;
  std::size_t live_bytes = 0;
  std::size_t kept_bytes = 0;
  std::size_t ended = 0;
  for (const auto& [id, r] : jobs_) {
    audit_job(id, r, broken);
    const bool over = is_final(r.state.state());
    ended += over ? 1 : 0;
    (over ? kept_bytes : live_bytes) +=
        r.request.input.size() + r.output.size() + (r.chunks ? r.chunks->bytes : 0);
    waiting += r.state.state() == job_state::IN_QUEUE ? 1 : 0;
    fresh += r.state.state() == job_state::IN_QUEUE && r.attempts == 0 ? 1 : 0;
    in_progress += r.state.state() == job_state::IN_PROGRESS ? 1 : 0;
  }
  for (const auto* waiters : {&high_, &low_}) {
    for (auto at = waiters->begin(); at != waiters->end(); ++at) {
      const record& r = **at;
      expect(r.state.state() == job_state::IN_QUEUE, r.id->str(), "waits but is not IN_QUEUE",
             broken);
      expect(r.place == at, r.id->str(), "does not know its place in the line", broken);
      expect(r.request.policy.low_priority == (waiters == &low_), r.id->str(),
             "waits in the wrong line", broken);
    }
  }
  expect(waiting == high_.size() + low_.size(), "table", "a job IN_QUEUE does not wait, or twice",
         broken);
  expect(fresh <= limits_.queue_max, "table", "more new jobs wait than queue_max", broken);
  expect(live_bytes == live_bytes_ && kept_bytes == kept_bytes_, "table", "bytes are miscounted",
         broken);
  expect(ended == ended_.size(), "table", "an ended job is not in its list, or twice", broken);
  expect(ended <= 1 || (kept_bytes <= limits_.kept_bytes_max && ended <= limits_.kept_jobs_max),
         "table", "more is kept of ended jobs than allowed", broken);
  expect(in_progress == running_, "table", "running() is wrong", broken);
  expect(deadlines_.size() == jobs_.size(), "table", "a job has no deadline, or two", broken);
  expect(stopping_ || roomy_.empty() || waiting == 0, "table",
         "a job waits while a worker has room", broken);
  audit_workers(broken);
  return broken;
}

void job_table::audit_job(const job_id& id, const record& r,
                          std::vector<std::string>& broken) const {
  const auto& name = id.str();
  const auto state = r.state.state();
  expect(r.id == &id, name, "does not know its id", broken);
  const auto booked = deadlines_.find({r.due, r.order});
  expect(booked != deadlines_.end() && booked->second == &r, name, "its deadline is not kept",
         broken);
  expect(r.attempts <= limits_.max_attempts, name, "more attempts than allowed", broken);
  expect(!r.chunks || r.chunks->items.size() <= limits_.chunks_max, name, "too many unread chunks",
         broken);
  expect(state != job_state::IN_PROGRESS || r.attempts > 0, name, "runs without an attempt",
         broken);
  expect(state != job_state::COMPLETED || !r.failure, name, "completed with a failure", broken);
  const bool has_reason = state == job_state::FAILED || state == job_state::TIMED_OUT;
  expect(r.failure.has_value() == has_reason, name, "failure does not fit the state", broken);
  expect(state == job_state::COMPLETED || state == job_state::IN_PROGRESS || r.output.empty(), name,
         "shows an output though it neither runs nor completed", broken);
  expect(state != job_state::IN_QUEUE || !r.chunks, name, "has chunks of a lost attempt", broken);
  expect(state != job_state::CANCELLED || !r.chunks, name, "has chunks after its cancel", broken);
  expect(!is_final(state) || r.request.input.empty(), name, "keeps its input after its end",
         broken);
  if (state == job_state::IN_PROGRESS) {
    const auto w = workers_.find(r.holder.slot);
    expect(w != workers_.end() && w->second.present && w->second.ref == r.holder &&
               w->second.holds.contains(attempt_ref{id, r.attempts}),
           name, "runs but its worker does not hold it", broken);
  }
}

void job_table::audit_workers(std::vector<std::string>& broken) const {
  std::size_t listed = 0;
  std::size_t held = 0; // by a worker, and current
  for (const auto& [slot, w] : workers_) {
    const auto name = to_string(w.ref);
    expect(slot == w.ref.slot, name, "is booked under another slot", broken);
    expect(w.present || w.holds.empty(), name, "is gone and holds attempts", broken);
    expect(w.holds.size() <= w.capacity, name, "holds more than its capacity", broken);
    const bool has_room = w.present && !w.draining && w.holds.size() < w.capacity;
    expect(w.listed.has_value() == has_room, name, "is listed wrongly as having room", broken);
    expect(!w.listed || roomy_.contains(*w.listed), name, "is not in the list of workers", broken);
    listed += w.listed ? 1 : 0;
    for (const auto& attempt : w.holds) {
      const auto entry = jobs_.find(attempt.job);
      held += entry != jobs_.end() && entry->second.state.state() == job_state::IN_PROGRESS &&
                      entry->second.attempts == attempt.number && entry->second.holder == w.ref
                  ? 1
                  : 0;
    }
  }
  expect(listed == roomy_.size(), "table", "a worker is listed twice", broken);
  expect(held == running_, "table", "a running attempt is held by nobody, or twice", broken);
}

} // namespace tayfa
