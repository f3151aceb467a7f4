// The table and its rows: what has changed, and what an earlier process left.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// The way of a machine from its start to a state that was read back.
void replay(machine<job_state>& m, job_state to) {
  const auto step = [&m](job_state next, cause why) { static_cast<void>(m.move_to(next, why)); };
  switch (to) {
  case job_state::IN_QUEUE: return;
  case job_state::IN_PROGRESS: step(to, cause::assigned); return;
  case job_state::CANCELLED: step(to, cause::cancel_requested); return;
  case job_state::TIMED_OUT: step(to, cause::ttl_expired); return;
  case job_state::COMPLETED:
    step(job_state::IN_PROGRESS, cause::assigned);
    step(to, cause::finished);
    return;
  case job_state::FAILED:
    step(job_state::IN_PROGRESS, cause::assigned);
    step(to, cause::job_error);
    return;
  }
}

} // namespace

store::batch job_table::take_changes() {
  pace_.taken(jobs_.changed_rows());
  step_flying_ = std::exchange(step_dirty_, false) || step_flying_;
  return jobs_.take_changes();
}

void job_table::committed() {
  jobs_.committed();
  if (std::exchange(step_flying_, false)) {
    step_images_.clear();
  }
}

std::vector<job_id> job_table::not_committed() {
  step_dirty_ = std::exchange(step_flying_, false) || step_dirty_;
  return jobs_.not_committed();
}

effects job_table::withdraw(moment now, const std::vector<job_id>& ids) {
  for (const auto& id : ids) {
    withdraw_one(now, id);
  }
  effects out;
  begin_calls(now, out);
  assign(now, out); // only now: none of them may have the place of another
  return out;
}

void job_table::withdraw_one(moment now, const job_id& id) {
  const auto entry = jobs_.find(id);
  if (entry != nullptr && !entry->stored) {
    take_out(now, *entry, true);
  }
}

effects job_table::restore(moment now, std::vector<store::job_row> rows, std::uint64_t last_order) {
  effects out;
  for (auto& row : rows) {
    restore_one(now, std::move(row), out);
  }
  orders_ = std::max(orders_, last_order);
  restored_ = queue_.size() + sleeping_;
  jobs_.trim(jobs_.newest_ended());
  jobs_.erase_slowly();
  return out;
}

void job_table::restore_past(moment now, store::job_row& row, record& r) {
  if (row.failure || row.delay || !row.history.empty() || r.ended()) {
    job_past& p = r.past();
    p.failure = std::move(row.failure);
    p.delay = row.delay;
    p.execution = row.execution;
    p.history = std::move(row.history);
    for (auto& c : row.chunks) {
      p.chunk_bytes += c.size();
      p.chunks.push_back(std::move(c));
    }
  }
  if (!r.ended()) {
    return;
  }
  job_past& p = *r.past_;
  p.ended = row.ended.value_or(now);
  p.chunks_dropped = row.dropped_chunks;
  r.delivery.undelivered = r.delivery.open && r.of_platform();
  r.output = std::move(row.output);
  r.output_bytes = row.output_bytes;
}

/// All of it but its place among those that wait, run or are due.
job_table::record& job_table::restore_record(moment now, store::job_row&& row) {
  record& r = jobs_.add(std::move(row.id));
  r.order = row.order;
  r.request = std::move(row.request);
  r.fingerprint = row.fingerprint;
  r.input_bytes = row.input_bytes;
  r.submitted = row.submitted;
  r.life_began = row.retried.value_or(row.submitted);
  r.not_before = row.not_before;
  r.suspect = row.suspect;
  r.dead = row.dead;
  r.stored = true;
  r.delivery.open = row.hook_open;
  r.delivery.tries = tries_known(r, row.hook_tries);
  r.refresh = row.refresh;
  r.keep_until = row.keep_until.value_or(moment{});
  r.attempts = row.attempts;
  r.uncharged_attempts = row.attempts_before;
  r.lives = row.lives;
  r.solo_crashes = row.solo_crashes;
  // Numbers of other nodes' workers held for the life of the process that gave them.
  r.holder =
      row.holder.node == this_node ? row.holder : worker_ref{slot_id{}, 0, row.holder.node};
  if (!row.worker.empty() && row.worker != default_name(r.holder.place())) {
    r.holder_name = std::make_shared<const std::string>(row.worker);
  }
  if (!row.lasting_name.empty()) {
    r.lasting = std::make_shared<const std::string>(std::move(row.lasting_name));
  }
  r.assigned = row.given;
  r.streamed = row.streamed;
  replay(r.state, row.state);
  restore_past(now, row, r);
  jobs_.enlist(r);
  jobs_.account(r);
  if (r.ended()) {
    jobs_.put_among_ended(r);
  }
  return r;
}

void job_table::restore_one(moment now, store::job_row&& row, effects& out) {
  const bool damaged = row.damaged;
  record& r = restore_record(now, std::move(row));
  switch (r.state.state()) {
  case job_state::IN_QUEUE: queue_up(now, r); break;
  case job_state::IN_PROGRESS:
    ++running_;
    queue_.started(r.request.policy.tenant, milliseconds{0});
    if (r.goes_on()) {
      leave_unclaimed(now, r);
    } else {
      r.assigned = now; // its tenant is charged nothing
      lose(now, r, error{errc::unavailable, "the runtime ended while it ran"}, out,
           r.lasting != nullptr);
    }
    break;
  case job_state::COMPLETED:
  case job_state::FAILED:
  case job_state::CANCELLED:
  case job_state::TIMED_OUT: jobs_.schedule(r); break;
  }
  if (damaged) { // what is left of it takes the place of what is damaged
    jobs_.mark_changed(r, store::part_output | store::part_chunks | store::part_input_released);
  }
}

} // namespace tayfa
