// One job's life: the few places where its state, its deadlines and its bytes change.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <stdexcept>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

constexpr moment never = moment::max();

/// The engine ended by itself, so what ran in it may be why.
bool blames_job(errc code) {
  return code == errc::engine_crash || code == errc::engine_hang || code == errc::engine_protocol;
}

/// base, 2 base, 4 base … up to max.
milliseconds backoff(const job_limits& limits, std::uint32_t attempts) {
  auto pause = limits.retry_base;
  for (std::uint32_t i = 1; i < attempts && pause < limits.retry_max; ++i) {
    pause *= 2;
  }
  return std::min(pause, limits.retry_max);
}

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
  if (r.hook_open && r.hook_out) {
    return never; // notified() comes
  }
  if (r.hook_open) {
    return r.not_before;
  }
  const auto step = duration_cast<moment::duration>(limits_.forget_step);
  const auto at = forget_at(r);
  return step.count() > 0 ? at + step - at.time_since_epoch() % step : at;
}

void job_table::schedule(record& r) {
  // The node is moved, not remade: a job has exactly one deadline from submission to its end here.
  auto node = deadlines_.extract(deadline{r.due, r.order});
  r.due = next_due(r);
  node.key() = deadline{r.due, r.order};
  deadlines_.insert(std::move(node));
}

// ---- what is known of it ------------------------------------------------------------------------

bool job_table::kept(moment now, const record& r) const {
  return !ended(r) || r.owed || now < forget_at(r);
}

job_table::record* job_table::find_kept(moment now, const job_id& id) {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() || !kept(now, entry->second) ? nullptr : &entry->second;
}

const job_table::record* job_table::find_kept(moment now, const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() || !kept(now, entry->second) ? nullptr : &entry->second;
}

job_table::past& job_table::past_of(record& r) {
  if (!r.past_) {
    r.past_ = std::make_unique<past>();
  }
  return *r.past_;
}

/// Of the worker that has, or had, its latest attempt.
std::string job_table::worker_name(const record& r) const {
  return r.holder_name ? *r.holder_name : "slot-" + std::to_string(r.holder.slot.value);
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
  (r.kept ? kept_bytes_ : live_bytes_) -= r.bytes;
  r.kept = ended(r);
  r.bytes = r.input_bytes + r.output_bytes + (r.past_ ? r.past_->chunk_bytes : 0);
  (r.kept ? kept_bytes_ : live_bytes_) += r.bytes;
  made_.set(r.request.policy.tenant, r.order, r.kept ? 0 : made_by(r));
}

/// What memory holds of a job's chunks and progress, as near as matters.
std::size_t job_table::made_by(const record& r) {
  const std::size_t chunks =
      r.past_ ? r.past_->chunk_bytes + r.past_->chunks.size() * chunk_overhead : 0;
  return r.output_bytes + chunks;
}

void job_table::set_output(record& r, shared_text output) {
  r.output_bytes = output.size();
  r.output = std::move(output);
}

/// Of an attempt that is void: nobody shall read them, and the next one makes its own.
void job_table::discard_chunks(record& r) {
  if (!r.past_) {
    return;
  }
  past& p = *r.past_;
  const bool some = !p.chunks.empty();
  p.chunks_gone += p.chunks.size();
  p.chunks.clear();
  p.chunks.shrink_to_fit();
  p.chunk_bytes = 0;
  p.chunks_taken = 0;
  p.chunks_dropped = 0;
  if (some && ended(r)) {
    note(r, store::part_chunks); // of a job that runs they are not durable
  }
}

void job_table::take_oldest_chunk(past& p) {
  p.chunk_bytes -= p.chunks.front().size();
  p.chunks.pop_front();
  ++p.chunks_gone;
}

void job_table::drop_oldest_chunk(past& p) {
  take_oldest_chunk(p);
  ++p.chunks_dropped;
  ++counts_.chunks_dropped;
}

/// What running jobs have made is too much, together: of the tenant that holds most the job that
/// holds most gives up its oldest chunks, and its progress when it has none; the next one replaces
/// that anyway.
void job_table::bound_made_bytes() {
  while (made_.total() > limits_.made_bytes_max) {
    record& r = *by_order_.at(*made_.largest());
    if (r.past_ && !r.past_->chunks.empty()) {
      drop_oldest_chunk(*r.past_);
    } else {
      set_output(r, {});
    }
    account(r);
  }
}

void job_table::forget(record& r) {
  kept_bytes_ -= r.bytes;
  take_from_ended(r);
  if (limits_.durable && (r.stored || r.flying != 0)) {
    erased_.push_back(r.order);
  }
  remove(r);
}

/// Out of every index; the lists and counts that depend on its state are the caller's.
void job_table::remove(record& r) {
  deadlines_.erase({r.due, r.order});
  by_order_.erase(r.order);
  if (!r.request.policy.idempotency_key.empty()) {
    const auto same = by_key_.find(key_of(r.request));
    if (same != by_key_.end() && same->second == &r) {
      by_key_.erase(same);
    }
  }
  jobs_.erase(jobs_.find(*r.id));
}

void job_table::trim(const record* newest) {
  while (dead_list_.size() > std::max<std::size_t>(limits_.dead_max, 1)) {
    forget(*dead_list_.front());
  }
  while (ended_.size() > std::max<std::size_t>(limits_.kept_jobs_max, 1)) {
    forget(*ended_.front());
  }
  while (kept_bytes_ > limits_.kept_bytes_max) {
    if (!ended_.empty() && ended_.front() != newest) {
      forget(*ended_.front());
    } else if (!dead_list_.empty() && dead_list_.front() != newest) {
      forget(*dead_list_.front());
    } else {
      return;
    }
  }
}

// ---- waiting ------------------------------------------------------------------------------------

fair_lines::place job_table::place_of(const record& r) const {
  return {r.request.policy.tenant,
          {r.request.model, r.request.shape, r.suspect ? r.order : 0, r.request.endpoint},
          urgency_of(r),
          r.order};
}

void job_table::queue_up(moment now, record& r) {
  r.sleeping = now < r.not_before;
  if (r.sleeping) {
    ++sleeping_;
  } else {
    lines_.add(place_of(r));
  }
  schedule(r);
}

void job_table::leave_line(record& r) {
  if (std::exchange(r.sleeping, false)) {
    --sleeping_;
  } else {
    lines_.remove(place_of(r));
  }
}

// ---- moving -------------------------------------------------------------------------------------

/// The only place where a job's state changes (but for a retry, which begins anew). An edge that
/// the table does not have is a bug of this room.
void job_table::move(record& r, job_state to, cause why, effects& out) {
  const auto from = r.state.move_to(to, why);
  if (!from) {
    throw std::logic_error(from.error().str());
  }
  if (*from == job_state::IN_QUEUE) {
    leave_line(r);
  } else {
    --running_;
  }
  if (to == job_state::IN_PROGRESS) {
    ++running_;
  }
  note(r, store::part_state);
  out.emplace_back(moved{job_view{}, *from, why, r.watch && is_final(to)});
}

/// The latest attempt is over: its tenant's share and the job's history learn of it.
void job_table::settle_attempt(moment now, record& r, std::optional<error> why) {
  lines_.ended(r.request.policy.tenant, milliseconds{r.expected_ms},
               duration_cast<milliseconds>(now - r.assigned));
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
    settle_attempt(now, r, std::move(reason));
    p.delay = p.delay.value_or(duration_cast<milliseconds>(r.assigned - r.life_began));
    p.execution = duration_cast<milliseconds>(now - r.began.value_or(r.assigned));
  }
  count(to);
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
  origins_live_ -= from_here ? 0 : 1;
  put_among_ended(r);
  leave_tenant(r);
  account(r);
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
  if (limits_.tenant_max == 0) {
    return;
  }
  const auto mine = live_of_tenant_.find(r.request.policy.tenant);
  if (mine != live_of_tenant_.end() && --mine->second == 0) {
    live_of_tenant_.erase(mine);
  }
}

/// Whoever ended it from outside leaves an attempt behind that the engine is still at.
void job_table::revoke_current(record& r, effects& out) {
  const worker* w = present(r.holder);
  const attempt_ref attempt{*r.id, r.attempts};
  if (w != nullptr && w->holds.contains(attempt)) {
    out.emplace_back(revoke{r.holder, attempt});
  }
}

void job_table::lose(moment now, record& r, const error& why, effects& out, bool free_of_charge) {
  drop_attempt_traces(r);
  r.free_attempts += free_of_charge ? 1 : 0;
  const auto last = "attempt " + std::to_string(r.attempts) + ": " + why.str();
  if (!free_of_charge && r.lone_kills >= limits_.lone_kills_max) {
    end(now, r, job_state::FAILED, cause::poisoned, error{errc::poison, last}, out, why);
  } else if (attempts_of_life(r) >= limits_.max_attempts) {
    end(now, r, job_state::FAILED, cause::attempts_exhausted, error{errc::max_attempts, last}, out,
        why);
  } else {
    move(r, job_state::IN_QUEUE, cause::attempt_lost, out);
    settle_attempt(now, r, why);
    r.not_before = free_of_charge ? now : now + backoff(limits_, attempts_of_life(r));
    queue_up(now, r);
    std::get<moved>(out.back()).view = view_of(r);
  }
}

void job_table::drop_attempt_traces(record& r) {
  r.refresh = false;
  set_output(r, {});
  discard_chunks(r);
  account(r);
}

void job_table::lose_worker(moment now, worker& w, const error& why, effects& out) {
  std::map<std::uint64_t, record*> mine; // by order, so that what follows is repeatable
  for (const auto& attempt : w.holds) {
    if (record* r = current(w.ref, attempt)) {
      mine.emplace(r->order, r);
    }
  }
  if (blames_job(why.code)) {
    for (const auto& [order, r] : mine) {
      r->lone_kills += w.holds.size() == 1 ? 1 : 0;
      r->suspect = true;
    }
  }
  w.present = false;
  w.holds.clear();
  w.alone = false;
  w.batch_size = 0;
  // What is not the job's fault costs it no attempt.
  const bool free_of_charge = why.code == errc::unavailable;
  for (const auto& [order, r] : mine) {
    lose(now, *r, why, out, free_of_charge);
  }
}

} // namespace tayfa
