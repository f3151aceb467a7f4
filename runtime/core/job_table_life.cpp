// A job's life: the few places where its state, its deadlines and its bytes change.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <stdexcept>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

constexpr moment never = moment::max();

} // namespace

// ---- times --------------------------------------------------------------------------------------

moment job_table::ttl_end(const record& r) const {
  return r.life_began + r.request.policy.ttl.value_or(limits_.ttl);
}

moment job_table::run_end(const record& r) const {
  return r.began.value_or(r.assigned) +
         r.request.policy.execution_timeout.value_or(limits_.execution_timeout);
}

moment job_table::urgency_of(const record& r) const {
  const auto& p = r.request.policy;
  const auto patience = limits_.priority_step * (job_policy::priority_max - p.priority);
  return r.life_began + std::min(p.deadline.value_or(patience), patience);
}

moment job_table::forget_at(const record& r) const {
  const auto keep =
      r.dead ? limits_.keep_dead : (r.request.sync ? limits_.keep_sync : limits_.keep_async);
  return std::max(r.past_->ended + keep, r.keep_until);
}

moment job_table::next_due(const record& r) const {
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

/// Urgent deadlines (a run's end, a wake-up, a webhook) are not queued behind those that may be
/// served later.
void job_table::schedule(record& r) {
  const auto due = next_due(r);
  const bool slow =
      (r.state.state() == job_state::IN_QUEUE && !r.sleeping) || (ended(r) && !r.delivery.open);
  if (due == r.due && slow == r.slow) {
    return;
  }
  (r.slow ? slow_deadlines_ : deadlines_).erase(deadline{r.due, r.order});
  r.due = due;
  r.slow = slow;
  (r.slow ? slow_deadlines_ : deadlines_).insert(deadline{r.due, r.order});
}

// ---- what is known of it ------------------------------------------------------------------------

bool job_table::kept(moment now, const record& r) const {
  return !ended(r) || r.delivery.undelivered || now < forget_at(r);
}

job_table::record* job_table::find_kept(moment now, const job_id& id, const job_access& who) {
  return const_cast<record*>(std::as_const(*this).find_kept(now, id, who));
}

const job_table::record* job_table::find_kept(moment now, const job_id& id,
                                              const job_access& who) const {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() || !kept(now, entry->second) || hidden(id, who) ? nullptr
                                                                              : &entry->second;
}

bool job_table::hidden(const job_id& id, const job_access& who) const {
  const auto entry = jobs_.find(id);
  return entry != jobs_.end() &&
         !who.covers(entry->second.request.endpoint, entry->second.request.policy.tenant);
}

job_table::past& job_table::past_of(record& r) {
  if (!r.past_) {
    r.past_ = std::make_unique<past>();
  }
  return *r.past_;
}

/// The worker that has, or had, its latest attempt, for people.
std::string job_table::worker_name(const record& r) const {
  return r.holder_name ? *r.holder_name : default_name(r.holder.place());
}

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
    view.worker = worker_name(r);
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
  a.worker = worker_name(r);
  a.given = since(r.assigned);
  if (r.began) {
    a.began = since(*r.began);
  }
  a.ended = since(now);
  a.failure = std::move(why);
  return a;
}

// ---- books --------------------------------------------------------------------------------------

void job_table::account(record& r) {
  tally(r);
  const auto before = r.bytes;
  (r.kept ? kept_bytes_ : live_bytes_) -= before;
  r.kept = ended(r);
  r.bytes = r.input_bytes + r.output_bytes + (r.past_ ? r.past_->chunk_bytes : 0);
  (r.kept ? kept_bytes_ : live_bytes_) += r.bytes;
  made_.set(r.request.policy.tenant, r.order, r.kept ? 0 : made_by(r));
  if (r.listed && r.bytes != before) {
    tenant_jobs& t = tenant_of(r);
    const auto kept = t.kept_bytes;
    t.kept_bytes = kept - before + r.bytes;
    rank(by_bytes_, t, kept, t.kept_bytes);
  }
}

void job_table::set_output(record& r, shared_text output) {
  r.output_bytes = output.size();
  r.output = std::move(output);
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
    lines_.add(place_of(r));
  }
  schedule(r);
}

void job_table::leave_line(record& r) {
  if (std::exchange(r.sleeping, false)) {
    --sleeping_;
  } else if (std::exchange(r.parked, false)) {
    --parked_;
  } else {
    lines_.remove(place_of(r));
  }
}

/// It waits on without taking part in decisions.
void job_table::park(record& r) {
  leave_line(r);
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
  change_state(r, *from, to);
  if (*from == job_state::IN_QUEUE) {
    leave_line(r);
  } else {
    --running_;
  }
  if (to == job_state::IN_PROGRESS) {
    ++running_;
  }
  tally(r);
  note(r, store::part_state);
  out.emplace_back(moved{job_view{}, *from, why, r.watch && is_final(to), r.request.endpoint});
}

/// Counts a live job in the state that it is in now.
void job_table::tally(record& r) {
  const auto state = r.state.state();
  const auto now = is_final(state) ? std::nullopt : std::optional{state};
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

/// The latest attempt is over: its tenant's share and the job's history learn of it. A lost one is
/// not cheaper than one that goes well, or a job that ends its engine at once would always be next;
/// what it takes to start that engine anew is charged besides (blame).
void job_table::settle_attempt(moment now, record& r, std::optional<error> why, bool lost) {
  const milliseconds expected{r.expected_ms};
  const auto took = duration_cast<milliseconds>(now - r.assigned);
  lines_.ended(r.request.policy.tenant, expected, lost ? std::max(took, expected) : took);
  if (limits_.history_max == 0) {
    return;
  }
  auto& history = past_of(r).history;
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
  past& p = past_of(r);
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
  numbers_.ended(r.request, to);
  if (to != job_state::COMPLETED) {
    set_output(r, {}); // what was shown as progress is not a result
  }
  if (to == job_state::CANCELLED) {
    discard_chunks(r);
  }
  const bool from_here = r.request.origin.empty();
  // A client may retry what failed; a platform may give whatever it has no result of once more.
  const bool again = to == job_state::FAILED || to == job_state::TIMED_OUT ||
                     (to == job_state::CANCELLED && !from_here);
  unsigned parts = store::part_state | store::part_output | store::part_chunks;
  if (!again) {
    r.request.input = {}; // nobody will want it
    r.input_bytes = 0;
    parts |= store::part_input_released;
  }
  p.failure = std::move(failure);
  p.ended = now;
  r.dead = from_here && (why == cause::attempts_exhausted || why == cause::poisoned);
  if (r.dead) {
    of_dead_.insert(r.order);
  }
  if (!from_here) {
    origins_live_.erase(r.order);
  }
  leave_tenant(r);
  account(r);
  put_among_ended(r);
  note(r, parts);
  std::get<moved>(out[announced]).view = view_of(r);
  open_delivery(now, r, out);
  schedule(r);
  if (ran) {
    revoke_current(r, out);
  }
  trim(&r);
}

void job_table::leave_tenant(const record& r) {
  --tenant_of(r).live;
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
