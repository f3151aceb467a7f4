// Workers, what they report, and who gets which attempt.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

// ---- workers ------------------------------------------------------------------------------------

effects job_table::worker_joined(moment now, worker_ref ref, std::uint32_t capacity) {
  effects out;
  worker& w = workers_[ref.slot];
  if (ref.incarnation < w.ref.incarnation) {
    ++counts_.stale;
    return out;
  }
  if (w.present && w.ref == ref) {
    return out;
  }
  if (w.present) {
    lose_worker(now, w, error{errc::engine_crash, "its slot runs a newer process"}, out);
  }
  w.ref = ref;
  w.capacity = capacity;
  w.present = true;
  w.draining = false;
  w.since = ++ticks_;
  rank(w);
  assign(now, out);
  return out;
}

effects job_table::worker_lost(moment now, slot_id slot, const error& why) {
  effects out;
  const auto entry = workers_.find(slot);
  if (entry != workers_.end() && entry->second.present) {
    lose_worker(now, entry->second, why, out);
    assign(now, out);
  }
  return out;
}

effects job_table::lose_all_workers(moment now, const error& why) {
  effects out;
  for (auto& [slot, w] : workers_) {
    if (w.present) {
      lose_worker(now, w, why, out);
    }
  }
  return out;
}

effects job_table::worker_draining(moment, worker_ref ref) {
  if (worker* w = present(ref)) {
    w->draining = true;
    rank(*w);
  }
  return {};
}

void job_table::lose_worker(moment now, worker& w, const error& why, effects& out) {
  std::map<std::uint64_t, record*, std::greater<>> latest_first; // each goes to the front in turn
  for (const auto& attempt : w.holds) {
    const auto entry = jobs_.find(attempt.job);
    if (entry != jobs_.end() && entry->second.state.state() == job_state::IN_PROGRESS &&
        entry->second.holder == w.ref && entry->second.attempts == attempt.number) {
      latest_first.emplace(entry->second.order, &entry->second);
    }
  }
  w.holds.clear();
  w.present = false;
  rank(w);
  for (const auto& [order, r] : latest_first) {
    lose(now, *r, why, out);
  }
}

// ---- reports ------------------------------------------------------------------------------------

job_table::worker* job_table::present(worker_ref ref) {
  const auto entry = workers_.find(ref.slot);
  return entry != workers_.end() && entry->second.present && entry->second.ref == ref
             ? &entry->second
             : nullptr;
}

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

job_table::report_result job_table::started(moment now, worker_ref ref,
                                            const protocol::started& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr) {
    ++counts_.stale;
    return {};
  }
  if (!r->began) { // said twice, it must not win time
    r->began = now;
    r->delay = r->delay.value_or(std::chrono::duration_cast<milliseconds>(now - r->submitted));
    schedule(*r, std::min(run_end(*r), ttl_end(*r)));
  }
  return {true, {}};
}

job_table::report_result job_table::progressed(moment, worker_ref ref,
                                               const protocol::progress& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr || report.sequence <= r->progress_seen) {
    ++counts_.stale;
    return {};
  }
  r->progress_seen = report.sequence;
  r->output = report.payload;
  account(*r);
  return {true, {}};
}

job_table::report_result job_table::streamed(moment, worker_ref ref,
                                             const protocol::partial& report) {
  record* r = current(ref, report.attempt);
  if (r == nullptr || report.sequence <= r->chunk_seen) {
    ++counts_.stale;
    return {};
  }
  r->chunk_seen = report.sequence;
  if (!r->chunks) {
    r->chunks = std::make_unique<record::unread>();
  }
  auto& [items, bytes] = *r->chunks;
  items.push_back(report.payload);
  bytes += report.payload.size();
  while (items.size() > limits_.chunks_max ||
         (bytes > limits_.chunk_bytes_max && items.size() > 1)) {
    bytes -= items.front().size();
    items.pop_front();
  }
  account(*r);
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
  rank(*w);
  report_result answer;
  if (record* r = current(ref, report.attempt)) {
    answer.current = true;
    switch (report.how) {
    case protocol::outcome::completed:
      r->output = report.output;
      end(now, *r, job_state::COMPLETED, cause::finished, std::nullopt, answer.consequences);
      break;
    case protocol::outcome::failed:
      end(now, *r, job_state::FAILED, cause::job_error,
          error{errc_from(report.code).value_or(errc::job_failed), report.text},
          answer.consequences);
      break;
    case protocol::outcome::cancelled:
      lose(now, *r, error{errc::cancelled, "the worker stopped it unasked"}, answer.consequences);
      break;
    }
  } else if (report.how != protocol::outcome::cancelled) {
    ++counts_.stale;
  }
  assign(now, answer.consequences);
  return answer;
}

// ---- assignment ---------------------------------------------------------------------------------

/// Keeps roomy_ in step with the worker: idle workers first, the one idle longest before the
/// others, then those with the least to do.
void job_table::rank(worker& w) {
  if (w.listed) {
    roomy_.erase(*w.listed);
    w.listed.reset();
  }
  if (w.present && !w.draining && w.holds.size() < w.capacity) {
    w.listed = worker::rank{w.holds.size(), w.since, w.ref.slot};
    roomy_.insert(*w.listed);
  }
}

/// The job whose turn it is. One whose time to live has run out before its timer was served must
/// not start any more.
job_table::record* job_table::next_waiting(moment now, effects& out) {
  while (!high_.empty() || !low_.empty()) {
    record& r = high_.empty() ? *low_.front() : *high_.front();
    if (now < ttl_end(r)) {
      return &r;
    }
    end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
  }
  return nullptr;
}

void job_table::hand_over(moment now, record& r, worker& w, effects& out) {
  move(r, job_state::IN_PROGRESS, cause::assigned, out);
  ++r.attempts;
  counts_.retried += r.attempts > 1 ? 1 : 0;
  r.holder = w.ref;
  r.assigned = now;
  r.began.reset();
  r.progress_seen = 0;
  r.chunk_seen = 0;
  schedule(r, std::min(run_end(r), ttl_end(r)));
  std::get<moved>(out.back()).view = view_of(r);

  const attempt_ref attempt{*r.id, r.attempts};
  w.holds.insert(attempt);
  w.since = ++ticks_;
  rank(w);
  out.emplace_back(give{w.ref, protocol::assign{attempt, {}, r.request.input}});
}

void job_table::assign(moment now, effects& out) {
  while (!stopping_ && !roomy_.empty()) {
    record* r = next_waiting(now, out);
    if (r == nullptr) {
      return;
    }
    hand_over(now, *r, workers_.at(std::get<slot_id>(*roomy_.begin())), out);
  }
}

} // namespace tayfa
