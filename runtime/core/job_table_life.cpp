// A job's life: the few places where its state, its deadlines and its bytes change.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <stdexcept>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

} // namespace

// ---- times --------------------------------------------------------------------------------------

moment job_table::urgency_of(const record& r) const {
  const auto& p = r.request.policy;
  const auto patience = limits_.priority_step * (job_policy::priority_max - p.priority);
  return r.life_began + std::min(p.deadline.value_or(patience), patience);
}

// ---- what is known of it ------------------------------------------------------------------------

job_view job_table::view_of(const record& r) const {
  job_view view;
  view.id = *r.id;
  view.state = r.state.state();
  view.output = r.output;
  view.attempts = r.attempts;
  if (r.output.empty() && r.output_bytes > 0) {
    view.stored_output = r.order;
  }
  view.output_bytes = r.output_bytes;
  if (r.past_) {
    view.failure = r.past_->failure;
    view.delay = r.past_->delay;
    view.execution = r.past_->execution;
    view.dropped_chunks = r.past_->chunks_dropped;
  }
  if (r.attempts > 0) {
    view.worker = r.worker_name();
  }
  if (view.state == job_state::IN_QUEUE) {
    view.why = why_waits(r);
  }
  return view;
}

attempt_view job_table::attempt_of(moment now, const record& r, std::optional<error> why) const {
  const auto since = [&r](moment m) { return duration_cast<milliseconds>(m - r.submitted); };
  attempt_view a;
  a.number = r.attempts;
  a.worker = r.worker_name();
  a.given = since(r.assigned);
  if (r.began) {
    a.began = since(*r.began);
  }
  a.ended = since(now);
  a.failure = std::move(why);
  return a;
}

// ---- waiting ------------------------------------------------------------------------------------

fair_queue::place job_table::place_of(const record& r) const {
  return {r.request.policy.tenant,
          {r.request.model, r.request.shape, r.suspect, r.request.endpoint},
          urgency_of(r),
          r.order};
}

void job_table::queue_up(moment now, record& r) {
  r.sleeping = now < r.not_before;
  r.parked = !r.sleeping && missing(r);
  if (r.sleeping) {
    ++sleeping_;
  } else if (r.parked) {
    ++parked_;
  } else {
    queue_.add(place_of(r));
  }
  jobs_.schedule(r);
}

void job_table::leave_queue(record& r) {
  if (std::exchange(r.sleeping, false)) {
    --sleeping_;
  } else if (std::exchange(r.parked, false)) {
    --parked_;
  } else {
    queue_.remove(place_of(r));
  }
}

/// The job goes on waiting without taking part in decisions.
void job_table::park(record& r) {
  leave_queue(r);
  r.parked = true;
  ++parked_;
}

// ---- moving -------------------------------------------------------------------------------------

/// The only place where a job's state changes (but for a retry, which begins anew). An edge that
/// the table does not have is a bug of this room.
void job_table::move(record& r, job_state to, cause why, effects& out) {
  const auto from = r.state.move_to(to, why);
  if (!from) {
    throw std::logic_error(from.error().str());
  }
  jobs_.change_state(r, *from, to);
  if (*from == job_state::IN_QUEUE) {
    leave_queue(r);
  } else {
    --running_;
    no_longer_unclaimed(r);
  }
  if (to == job_state::IN_PROGRESS) {
    ++running_;
  }
  jobs_.tally(r);
  jobs_.mark_changed(r, store::part_state);
  out.emplace_back(moved{job_view{}, *from, why, r.watch && is_final(to), r.request.endpoint});
}

/// The latest attempt is over: its tenant's share and the job's history learn of it. A lost one is
/// not cheaper than one that goes well, or a job that ends its engine at once would always be next;
/// what it takes to start that engine anew is charged besides (blame).
void job_table::settle_attempt(moment now, record& r, std::optional<error> why, bool lost) {
  const milliseconds expected{r.expected_ms};
  const auto took = duration_cast<milliseconds>(now - r.assigned);
  queue_.ended(r.request.policy.tenant, expected, lost ? std::max(took, expected) : took);
  if (limits_.history_max == 0) {
    return;
  }
  auto& history = r.past().history;
  if (history.size() >= limits_.history_max) {
    history.erase(history.begin());
  }
  history.push_back(attempt_of(now, r, std::move(why)));
}

void job_table::count(job_state to, int by) {
  const auto more = static_cast<std::uint64_t>(by);
  switch (to) {
  case job_state::COMPLETED: counts_.completed += more; break;
  case job_state::FAILED: counts_.failed += more; break;
  case job_state::CANCELLED: counts_.cancelled += more; break;
  case job_state::TIMED_OUT: counts_.timed_out += more; break;
  case job_state::IN_QUEUE:
  case job_state::IN_PROGRESS: break;
  }
}

void job_table::end(moment now, record& r, job_state to, cause why, std::optional<error> failure,
                    effects& out, std::optional<error> attempt_failure) {
  const std::size_t announced = out.size();
  move(r, to, why, out);
  const bool ran = std::get<moved>(out[announced]).from == job_state::IN_PROGRESS;
  job_past& p = r.past();
  if (ran) {
    auto reason = attempt_failure ? std::move(attempt_failure) : failure;
    if (to == job_state::CANCELLED) {
      reason = error{errc::cancelled, {}};
    }
    settle_attempt(now, r, std::move(reason),
                   why == cause::attempts_exhausted || why == cause::poisoned);
    p.delay = p.delay.value_or(duration_cast<milliseconds>(r.assigned - r.life_began));
    p.execution = duration_cast<milliseconds>(now - r.began.value_or(r.assigned));
  }
  count(to);
  jobs_.numbers().ended(r.request, to);
  if (to != job_state::COMPLETED) {
    jobs_.set_output(r, {}); // what was shown as progress is not a result
  }
  if (to == job_state::CANCELLED) {
    jobs_.discard_chunks(r);
  }
  const bool from_here = !r.of_platform();
  // A client may retry a job that failed; a platform may give a job again as long as it has no
  // result.
  const bool again = to == job_state::FAILED || to == job_state::TIMED_OUT ||
                     (to == job_state::CANCELLED && !from_here);
  unsigned parts = store::part_state | store::part_output | store::part_chunks;
  if (!again) {
    r.request.input = {}; // it will not run again
    r.input_bytes = 0;
    parts |= store::part_input_released;
  }
  r.lasting.reset(); // nothing of it is to be claimed any more
  r.streamed = false;
  p.failure = std::move(failure);
  p.ended = now;
  jobs_.mark_dead(r, from_here && (why == cause::attempts_exhausted || why == cause::poisoned));
  jobs_.count_live(r, false);
  jobs_.account(r);
  jobs_.put_among_ended(r);
  jobs_.mark_changed(r, parts);
  std::get<moved>(out[announced]).view = view_of(r);
  open_delivery(now, r, out);
  jobs_.schedule(r);
  if (ran) {
    revoke_current(r, out);
  }
  jobs_.trim(&r);
}

/// A job ended from outside may leave an attempt on its engine: revokes that.
void job_table::revoke_current(record& r, effects& out) {
  const auto* w = pool_.present(r.holder);
  const attempt_ref attempt{*r.id, r.attempts};
  if (w != nullptr && w->holds.contains(attempt)) {
    out.emplace_back(revoke_attempt{r.holder, attempt});
  }
}

} // namespace tayfa
