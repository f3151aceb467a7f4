// Attempts that go on without this process. A worker with a lasting name (a pod, or a program that
// pulls its jobs) is at work while this process, or its queue, is started anew. Its jobs stay
// IN_PROGRESS meanwhile, unclaimed: no worker is given them, and their time-outs and cancels work
// as ever. The worker claims them when it comes back; what it does not claim in time runs again.
//
// A restart costs no attempt: what is lost by one is lost at no cost.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

/// The jobs whose latest attempts this worker holds, by order, so that what follows is repeatable.
std::map<std::uint64_t, job_table::record*> job_table::current_ones(const pool_worker& w) {
  std::map<std::uint64_t, record*> all;
  for (const auto& [attempt, held] : w.holds) {
    if (record* r = current(w.ref, attempt)) {
      all.emplace(r->order, r);
    }
  }
  return all;
}

// ---- the worker is away -------------------------------------------------------------------------

void job_table::leave_unclaimed(moment now, pool_worker& w) {
  const auto mine = current_ones(w);
  pool_.lost(now, w, {}, queue_);
  for (const auto& [order, r] : mine) {
    leave_unclaimed(now, *r);
  }
}

void job_table::leave_unclaimed(moment now, record& r) {
  r.unclaimed = true;
  unclaimed_.emplace(r.holder.place(), r.order);
  r.lease_end = now + limits_.claim_window;
  jobs_.schedule(r);
}

void job_table::no_longer_unclaimed(record& r) {
  if (std::exchange(r.unclaimed, false)) {
    unclaimed_.erase({r.holder.place(), r.order});
  }
}

std::vector<unclaimed_attempt> job_table::unclaimed() const {
  std::vector<unclaimed_attempt> all;
  for (const auto state : {job_state::IN_PROGRESS, job_state::IN_QUEUE}) {
    const auto& orders = jobs_.of_state(state);
    for (auto next = orders.above(0); next; next = orders.above(*next)) {
      const record& r = jobs_.at(*next);
      if (r.lasting && (r.unclaimed || state == job_state::IN_QUEUE)) {
        all.push_back({{*r.id, r.attempts}, *r.lasting});
      }
    }
  }
  return all;
}

// ---- and comes back -----------------------------------------------------------------------------

effects job_table::claimed(moment now, worker_ref ref, const attempts_held& held) {
  effects out;
  auto* w = pool_.present(ref);
  if (w == nullptr) {
    ++counts_.stale;
    return out;
  }
  for (const auto& each : held) {
    claim_or_revoke(now, *w, each, out);
  }
  assign(now, out);
  return out;
}

void job_table::claim_or_revoke(moment now, pool_worker& w, const attempt_held& held,
                                effects& out) {
  if (current(w.ref, held.attempt) != nullptr) {
    return; // the worker says it again
  }
  const auto entry = jobs_.find(held.attempt.job);
  if (entry != nullptr && may_claim(*entry, w, held, now)) {
    take_up(now, *entry, w, out);
  } else {
    out.emplace_back(revoke_attempt{w.ref, held.attempt});
  }
}

/// A job that waits is claimed as well: that saves the work. But not with chunks that are gone, nor
/// when it is about to end, nor by a worker that was asked to stop it and has not yet.
bool job_table::may_claim(const record& r, const pool_worker& w, const attempt_held& held,
                          moment now) {
  const bool was_its = r.attempts == held.attempt.number && r.lasting &&
                       *r.lasting == w.facts.lasting_name && !w.holds.contains(held.attempt);
  const bool has_room = w.facts.elastic || w.holds.size() < w.facts.capacity;
  if (!was_its || !has_room) {
    return false;
  }
  if (r.state.state() == job_state::IN_PROGRESS) {
    return r.unclaimed && r.chunk_seen == held.chunks;
  }
  return r.state.state() == job_state::IN_QUEUE && !stopping_ && !r.streamed && held.chunks == 0 &&
         now < jobs_.ttl_end(r) && purge_of(r) == nullptr;
}

/// The attempt goes on, under its number.
void job_table::take_up(moment now, record& r, pool_worker& w, effects& out) {
  const bool waited = r.state.state() == job_state::IN_QUEUE;
  if (waited) {
    move(r, job_state::IN_PROGRESS, cause::assigned, out);
    // As if it had never been lost.
    r.uncharged_attempts = std::min(r.uncharged_attempts, r.attempts - 1);
    if (r.past_ && !r.past_->history.empty() && r.past_->history.back().number == r.attempts) {
      r.past_->history.pop_back();
    }
    queue_.started(r.request.policy.tenant, milliseconds{0});
    r.expected_ms = 0;
  }
  no_longer_unclaimed(r);
  r.holder = w.ref;
  r.holder_name = w.name;
  r.lease_end = w.facts.steps || w.facts.lease.count() > 0
                    ? now + (w.facts.lease.count() > 0 ? w.facts.lease : limits_.lease)
                    : moment::max();
  jobs_.schedule(r);
  jobs_.mark_changed(r, store::part_state);
  pool_.claim(now, w, needs_of(r), {*r.id, r.attempts});
  if (waited) {
    std::get<moved>(out.back()).view = view_of(r);
  }
}

/// The new incarnation has said what it still has of the last one's.
void job_table::lose_unclaimed(moment now, worker_ref ref, effects& out) {
  const auto* w = pool_.present(ref);
  std::vector<record*> gone;
  for (auto each = unclaimed_.lower_bound({ref.place(), 0});
       each != unclaimed_.end() && each->first == ref.place(); ++each) {
    record& r = jobs_.at(each->second);
    if (*r.lasting == w->facts.lasting_name) {
      gone.push_back(&r);
    }
  }
  for (record* r : gone) {
    lose(now, *r, error{errc::unavailable, "its worker came back without it"}, out, true);
  }
}

} // namespace tayfa
