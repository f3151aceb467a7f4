// Workers and what they report.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace tayfa {

namespace {

using std::chrono::duration_cast;

/// The engine did not take the attempt, which says nothing of the job.
bool refused_by_engine(errc code) {
  return code == errc::stopping || code == errc::not_ready || code == errc::engine_protocol;
}

double ms_between(moment from, moment to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

} // namespace

// ---- workers ------------------------------------------------------------------------------------

effects job_table::worker_joined(moment now, worker_ref ref, worker_facts facts) {
  effects out;
  worker& w = workers_[ref.place()];
  if (ref.incarnation < w.ref.incarnation) {
    ++counts_.stale;
    return out;
  }
  if (w.present && w.ref == ref) {
    w.draining = false;
    w.facts.capacity = w.facts.elastic ? facts.capacity : w.facts.capacity;
    w.facts.hand_overs = facts.hand_overs;
    assign(now, out);
    return out;
  }
  if (w.present) {
    lose_worker(now, w, error{errc::engine_crash, "its slot runs a newer process"}, out);
  }
  const auto most = std::max<std::uint32_t>(facts.capacity, 1);
  facts.capacity = facts.elastic ? facts.capacity : most;
  // No batch could be had from a capacity that changes.
  facts.batch_max = facts.elastic ? 1 : std::clamp<std::uint32_t>(facts.batch_max, 1, most);
  settle_blame(now, w);
  const auto wished = std::exchange(w.changing_to, {});
  if (!wished.empty() && facts.model == wished) {
    times_.loaded(facts.model, facts.device, ms_between(w.change_asked, now));
    troubles_.erase(wished);
  }
  w = worker{};
  w.ref = ref;
  w.facts = std::move(facts);
  if (!w.facts.name.empty()) {
    w.name = std::make_shared<const std::string>(w.facts.name);
  }
  w.present = true;
  w.since = ++ticks_;
  if (w.facts.batches()) {
    sizes_.engine_new(w.facts.device);
  }
  if (!wished.empty() && w.facts.model != wished) {
    wish_failed(now, wished, error{errc::internal, "the engine came back with another model"});
  }
  assign(now, out);
  return out;
}

effects job_table::worker_lost(moment now, worker_place at, const error& why, bool from_outside) {
  effects out;
  const auto entry = workers_.find(at);
  if (entry != workers_.end() && entry->second.present) {
    lose_worker(now, entry->second, why, out, from_outside);
    if (entry->second.facts.forgotten_when_gone) {
      workers_.erase(entry);
    }
    assign(now, out);
  }
  return out;
}

std::uint32_t job_table::local_capacity() const {
  std::uint32_t all = 0;
  for (const auto& [slot, w] : workers_) {
    all += w.present && !w.draining && slot.node == this_node ? w.facts.capacity : 0;
  }
  return all;
}

effects job_table::lose_all_workers(moment now, const error& why) {
  effects out;
  for (auto& [slot, w] : workers_) {
    if (w.present) {
      lose_worker(now, w, why, out);
    }
  }
  std::erase_if(workers_, [](const auto& w) { return w.second.facts.forgotten_when_gone; });
  for (auto next = hooks_out_.above(0); next; next = hooks_out_.above(*next)) {
    record& r = *by_order_.at(*next);
    set_hook_out(r, false);
    r.hook_tries = tries_known(r, r.hook_tries);
    schedule(r);
  }
  hooks_.forget_calls();
  begin_hooks(now, out);
  assign(now, out); // there is nobody to wait for
  return out;
}

effects job_table::worker_draining(moment now, worker_ref ref) {
  effects out;
  if (worker* w = present(ref)) {
    w->draining = true;
    assign(now, out); // nobody is to wait for it any more
  }
  return out;
}

job_table::worker* job_table::present(worker_ref ref) {
  const auto entry = workers_.find(ref.place());
  return entry != workers_.end() && entry->second.present && entry->second.ref == ref
             ? &entry->second
             : nullptr;
}

bool job_table::runs(worker_ref ref, const attempt_ref& attempt) const {
  const auto entry = jobs_.find(attempt.job);
  return entry != jobs_.end() && entry->second.state.state() == job_state::IN_PROGRESS &&
         entry->second.holder == ref && entry->second.attempts == attempt.number;
}

/// The highest number among the attempts of this job that workers still hold.
std::uint32_t job_table::last_held_of(const job_id& id) const {
  std::uint32_t last = 0;
  for (const auto& [slot, w] : workers_) {
    const auto beyond = w.holds.upper_bound({id, std::numeric_limits<std::uint32_t>::max()});
    if (beyond != w.holds.begin() && std::prev(beyond)->job == id) {
      last = std::max(last, std::prev(beyond)->number);
    }
  }
  return last;
}

std::size_t job_table::held(worker_place at) const {
  const auto entry = workers_.find(at);
  return entry == workers_.end() ? 0 : entry->second.holds.size();
}

std::uint64_t job_table::hand_overs(worker_place at) const {
  const auto entry = workers_.find(at);
  return entry == workers_.end() ? 0 : entry->second.hand_overs;
}

// ---- reports ------------------------------------------------------------------------------------

/// The job whose current attempt this is, held by this very worker; otherwise nothing.
job_table::record* job_table::current(worker_ref ref, const attempt_ref& attempt) {
  const auto entry = jobs_.find(attempt.job);
  if (entry == jobs_.end() || present(ref) == nullptr) {
    return nullptr;
  }
  record& r = entry->second;
  const bool holds =
      r.state.state() == job_state::IN_PROGRESS && r.holder == ref && r.attempts == attempt.number;
  return holds ? &r : nullptr;
}

/// Progress renews the lease; being alive does not.
void job_table::renew(moment now, record& r) {
  if (r.lease_end != moment::max()) {
    const worker* w = present(r.holder);
    const bool own = w != nullptr && w->facts.lease.count() > 0;
    r.lease_end = now + (own ? w->facts.lease : limits_.lease);
  }
  schedule(r);
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
    auto& delay = past_of(*r).delay;
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
  set_output(*r, report.payload);
  account(*r);
  bound_made_bytes();
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
  past& p = past_of(*r);
  p.chunks.push_back(report.payload);
  p.chunk_bytes += report.payload.size();
  while (p.chunks.size() > limits_.chunks_max ||
         (p.chunk_bytes > limits_.chunk_bytes_max && p.chunks.size() > 1)) {
    drop_oldest_chunk(p);
  }
  account(*r);
  bound_made_bytes();
  renew(now, *r);
  return {true, {}};
}

job_table::report_result job_table::finished(moment now, worker_ref ref,
                                             const protocol::finished& report) {
  worker* w = present(ref);
  if (w == nullptr || w->holds.erase(report.attempt) == 0) {
    ++counts_.stale;
    return {};
  }
  w->since = ++ticks_;
  record* r = current(ref, report.attempt);
  learn(now, *w, r, report);
  if (w->holds.empty()) {
    w->alone = false;
    w->batch_size = 0;
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
      set_output(*r, report.output);
      end(now, *r, job_state::COMPLETED, cause::finished, std::nullopt, answer.consequences);
      break;
    case protocol::outcome::failed:
      if (code == errc::gpu_oom && r->in_batch) {
        r->suspect = true; // too large in company: alone it has the memory for itself
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

/// Learns a run's duration for later decisions. A batch is one run, over when its last member is.
void job_table::learn(moment now, worker& w, const record* r, const protocol::finished& report) {
  const bool completed = r != nullptr && report.how == protocol::outcome::completed;
  if (r != nullptr && errc_from(report.code) == errc::gpu_oom && w.batch_size > 1) {
    sizes_.out_of_memory(w.run, w.batch_size);
  }
  if (w.batch_size == 0) { // several attempts that know nothing of each other
    if (completed) {
      times_.ran(work_of(*r, w), 1, ms_between(r->began.value_or(r->assigned), now));
    }
    return;
  }
  w.run_clean = w.run_clean && completed;
  if (w.holds.empty() && w.run_clean) {
    const double took = ms_between(w.run_began, now);
    times_.ran(w.run, w.batch_size, took);
    sizes_.ran(w.run, w.batch_size, took);
  }
}

} // namespace tayfa
