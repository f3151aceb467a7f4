// Workers and what they report.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

/// The engine did not take the attempt, which says nothing of the job.
bool refused_by_engine(errc code) {
  return code == errc::stopping || code == errc::not_ready || code == errc::engine_protocol;
}

} // namespace

// ---- workers ------------------------------------------------------------------------------------

effects job_table::worker_joined(moment now, worker_ref ref, worker_facts facts,
                                 const std::optional<attempts_held>& holds) {
  effects out;
  switch (pool_.arrives(ref)) {
  case worker_pool::arrival::stale: ++counts_.stale; return out;
  case worker_pool::arrival::again: pool_.updated(now, ref, facts); break;
  case worker_pool::arrival::next:
    if (auto* before = pool_.find(ref.place()); before != nullptr && before->present) {
      if (before->facts.lasting_name.empty()) {
        lose_worker(now, *before, error{errc::engine_crash, "its slot runs a newer process"}, out);
      } else {
        leave_unclaimed(now, *before);
      }
    }
    if (pool_.joined(now, ref, std::move(facts), queue_)) {
      steps_at_ = now;
    }
    if (holds) {
      for (const auto& each : *holds) {
        claim_or_revoke(now, *pool_.find(ref.place()), each, out);
      }
      lose_unclaimed(now, ref, out);
    }
    break;
  }
  assign(now, out);
  return out;
}

effects job_table::worker_lost(moment now, worker_place at, const error& why, bool from_outside) {
  effects out;
  auto* w = pool_.find(at);
  if (w != nullptr && w->present) {
    lose_worker(now, *w, why, out, from_outside);
    pool_.forget(at);
    assign(now, out);
  }
  return out;
}

effects job_table::lose_all_workers(moment now, const error& why) {
  effects out;
  // First the deliveries that are under way: those that follow from the losses are new ones, and
  // their outcome will be reported.
  forget_tries_under_way(now, out);
  std::vector<worker_place> places;
  for (auto& [at, w] : pool_.all()) {
    places.push_back(at);
    if (w.present && !w.facts.lasting_name.empty()) {
      leave_unclaimed(now, w);
    } else if (w.present) {
      lose_worker(now, w, why, out);
    }
  }
  for (const auto& at : places) {
    pool_.forget(at);
  }
  assign(now, out); // there is no worker to wait for
  return out;
}

effects job_table::worker_draining(moment now, worker_ref ref) {
  effects out;
  if (auto* w = pool_.present(ref)) {
    pool_.drain(now, *w);
    assign(now, out); // no job shall wait for it any more
  }
  return out;
}

bool job_table::runs(worker_ref ref, const attempt_ref& attempt) const {
  const auto entry = jobs_.find(attempt.job);
  return entry != nullptr && entry->state.state() == job_state::IN_PROGRESS && !entry->unclaimed &&
         entry->holder == ref && entry->attempts == attempt.number;
}

std::size_t job_table::held(worker_place at) const {
  const auto* w = pool_.find(at);
  return w == nullptr ? 0 : w->holds.size();
}

std::uint64_t job_table::hand_overs(worker_place at) const {
  const auto* w = pool_.find(at);
  return w == nullptr ? 0 : w->hand_overs;
}

// ---- reports ------------------------------------------------------------------------------------

/// The job whose current attempt this is, held by this very worker; otherwise nothing.
job_table::record* job_table::current(worker_ref ref, const attempt_ref& attempt) {
  const auto entry = jobs_.find(attempt.job);
  if (entry == nullptr || pool_.present(ref) == nullptr) {
    return nullptr;
  }
  record& r = *entry;
  const bool holds = r.state.state() == job_state::IN_PROGRESS && !r.unclaimed && r.holder == ref &&
                     r.attempts == attempt.number;
  return holds ? &r : nullptr;
}

/// Progress renews the lease; being alive does not.
void job_table::renew(moment now, record& r) {
  if (r.lease_end != moment::max()) {
    const auto* w = pool_.present(r.holder);
    const bool own = w != nullptr && w->facts.lease.count() > 0;
    r.lease_end = now + (own ? w->facts.lease : limits_.lease);
  }
  jobs_.schedule(r);
}

job_table::report_result job_table::started(moment now, worker_ref ref,
                                            const protocol::started& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr) {
    ++counts_.stale;
    return {};
  }
  if (!r->began) { // said twice, it must not win time
    r->began = now;
    auto& delay = r->past().delay;
    delay = delay.value_or(duration_cast<milliseconds>(now - r->life_began));
    renew(now, *r);
  }
  return {true, {}};
}

job_table::report_result job_table::renewed(moment now, worker_ref ref,
                                            const attempt_ref& attempt) {
  record* r = current(ref, attempt);
  if (r == nullptr) {
    ++counts_.stale;
    return {};
  }
  renew(now, *r);
  return {true, {}};
}

job_table::report_result job_table::progressed(moment now, worker_ref ref,
                                               const protocol::progress& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr || report.sequence <= r->progress_seen) {
    ++counts_.stale;
    return {};
  }
  r->progress_seen = report.sequence;
  jobs_.set_output(*r, report.payload);
  jobs_.account(*r);
  jobs_.bound_made_bytes();
  renew(now, *r);
  return {true, {}};
}

job_table::report_result job_table::streamed(moment now, worker_ref ref,
                                             const protocol::partial& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr || report.sequence <= r->chunk_seen) {
    ++counts_.stale;
    return {};
  }
  r->chunk_seen = report.sequence;
  if (r->lasting && !std::exchange(r->streamed, true)) {
    jobs_.mark_changed(*r, store::part_state);
  }
  jobs_.append_chunk(*r, report.payload);
  jobs_.bound_made_bytes();
  renew(now, *r);
  return {true, {}};
}

job_table::report_result job_table::finished(moment now, worker_ref ref,
                                             const protocol::finished& report) {
  auto* w = pool_.present(ref);
  record* r = current(ref, report.attempt);
  if (w == nullptr || !pool_.ended(now, *w, report.attempt, ending_of(r, *w, report))) {
    ++counts_.stale;
    return {};
  }
  const bool never_had_it = w->facts.unavailable_is_free &&
                            report.how == protocol::outcome::failed &&
                            errc_from(report.code) == errc::unavailable;
  report_result answer;
  if (r == nullptr) {
    counts_.stale += report.how != protocol::outcome::cancelled ? 1 : 0;
  } else {
    answer.current = true;
    r->refresh = report.refresh_worker;
    if (report.refresh_worker && !w->facts.forgotten_when_gone) {
      w->blamed.assign(1, r->request.policy.tenant); // its engine is about to be started anew
    }
    const auto code = errc_from(report.code).value_or(errc::job_failed);
    switch (report.how) {
    case protocol::outcome::completed:
      jobs_.set_output(*r, report.output);
      end(now, *r, job_state::COMPLETED, cause::finished, std::nullopt, answer.consequences);
      break;
    case protocol::outcome::failed:
      if (code == errc::gpu_oom && r->in_batch) {
        r->suspect = true; // too large in a batch: alone it has the memory for itself
        lose(now, *r, error{code, report.text}, answer.consequences, true);
      } else if (never_had_it) {
        lose(now, *r, error{code, report.text}, answer.consequences, true);
      } else if (refused_by_engine(code)) {
        lose(now, *r, error{code, report.text}, answer.consequences);
      } else {
        end(now, *r, job_state::FAILED, cause::job_error, error{code, report.text},
            answer.consequences);
      }
      break;
    case protocol::outcome::cancelled:
      lose(now, *r, error{errc::cancelled, "the worker stopped the attempt without being asked"},
           answer.consequences);
      break;
    }
  }
  assign(now, answer.consequences);
  return answer;
}

/// The end of an attempt, as the pool learns it.
worker_pool::ending job_table::ending_of(const record* r, const pool_worker& w,
                                         const protocol::finished& report) {
  worker_pool::ending how;
  if (r != nullptr) {
    how.kind = work_kind{r->request.model, r->request.shape, w.facts.device};
    how.completed = report.how == protocol::outcome::completed;
    how.out_of_memory = errc_from(report.code) == errc::gpu_oom;
    how.began = r->began.value_or(r->assigned);
  }
  return how;
}

} // namespace tayfa
