// The table's commands for clients and for the pod, and the few places where a job's state changes.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <stdexcept>

namespace tayfa {

job_table::job_table(job_limits limits) : limits_(limits) {
  limits_.max_attempts = std::max<std::uint32_t>(limits_.max_attempts, 1);
}

job_id job_table::make_id(random_source& random, bool sync) {
  return job_id{(sync ? "sync-" : "") + random.uuid() + "-t1"};
}

// ---- clients ------------------------------------------------------------------------------------

result<effects> job_table::submit(moment now, job_id id, job_request request, bool watch) {
  if (stopping_) {
    return fail(errc::stopping);
  }
  if (id.empty() || jobs_.contains(id)) {
    return fail(errc::bad_request, "a job with this id exists");
  }
  if (high_.size() + low_.size() >= limits_.queue_max) {
    return fail(errc::queue_full, std::to_string(high_.size() + low_.size()) + " jobs wait");
  }
  if (live_bytes_ + request.input.size() > limits_.live_bytes_max) {
    return fail(errc::queue_full, std::to_string(live_bytes_) + " bytes of jobs are here");
  }
  const auto entry = jobs_.try_emplace(std::move(id)).first;
  record& r = entry->second;
  r.id = &entry->first;
  r.order = ++orders_;
  r.request = std::move(request);
  r.watch = watch;
  r.submitted = now;
  r.due = ttl_end(r);
  deadlines_.emplace(deadline{r.due, r.order}, &r);
  auto& waiting = line_of(r);
  r.place = waiting.insert(waiting.end(), &r);
  account(r);
  effects out;
  assign(now, out);
  return out;
}

result<job_view> job_table::find(moment now, const job_id& id) const {
  const auto entry = jobs_.find(id);
  if (entry == jobs_.end() || !kept(now, entry->second)) {
    return fail(errc::job_not_found);
  }
  return view_of(entry->second);
}

result<std::pair<job_view, std::vector<chunk>>> job_table::read_stream(moment now,
                                                                       const job_id& id) {
  record* r = find_kept(now, id);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  std::vector<chunk> unread;
  if (r->chunks) {
    unread.assign(r->chunks->items.begin(), r->chunks->items.end());
    r->chunks.reset();
    account(*r);
  }
  return std::pair{view_of(*r), std::move(unread)};
}

result<std::pair<job_view, effects>> job_table::cancel(moment now, const job_id& id) {
  record* r = find_kept(now, id);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  effects out;
  if (!is_final(r->state.state())) {
    end(now, *r, job_state::CANCELLED, cause::cancel_requested, std::nullopt, out);
    r->chunks.reset();
    account(*r);
  }
  return std::pair{view_of(*r), std::move(out)};
}

// ---- the pod ------------------------------------------------------------------------------------

void job_table::stop_taking() {
  stopping_ = true;
}

effects job_table::hand_back(moment) {
  stopping_ = true;
  std::map<std::uint64_t, record*, std::greater<>> latest_first;
  for (const auto& [slot, w] : workers_) {
    for (const auto& attempt : w.holds) {
      const auto entry = jobs_.find(attempt.job);
      if (entry != jobs_.end() && entry->second.state.state() == job_state::IN_PROGRESS) {
        latest_first.emplace(entry->second.order, &entry->second);
      }
    }
  }
  effects out;
  for (const auto& [order, r] : latest_first) {
    const revoke stop{r->holder, attempt_ref{*r->id, r->attempts}};
    requeue(*r, out);
    out.emplace_back(stop);
  }
  return out;
}

effects job_table::expire(moment now) {
  effects out;
  while (!deadlines_.empty() && deadlines_.begin()->first.first <= now) {
    record& r = *deadlines_.begin()->second;
    if (is_final(r.state.state())) {
      forget(r);
    } else if (r.state.state() == job_state::IN_PROGRESS && run_end(r) <= ttl_end(r)) {
      end(now, r, job_state::TIMED_OUT, cause::execution_timeout,
          error{errc::execution_timeout, {}}, out);
    } else {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
    }
  }
  return out;
}

std::optional<moment> job_table::next_deadline() const {
  if (deadlines_.empty()) {
    return std::nullopt;
  }
  return deadlines_.begin()->first.first;
}

job_counts job_table::counts() const {
  job_counts all = counts_;
  all.in_queue = high_.size() + low_.size();
  all.in_progress = running_;
  return all;
}

// ---- one job ------------------------------------------------------------------------------------

moment job_table::ttl_end(const record& r) const {
  return r.submitted + r.request.policy.ttl.value_or(limits_.ttl);
}

moment job_table::run_end(const record& r) const {
  return r.began.value_or(r.assigned) +
         r.request.policy.execution_timeout.value_or(limits_.execution_timeout);
}

bool job_table::kept(moment now, const record& r) const {
  return !is_final(r.state.state()) || now < r.due;
}

job_view job_table::view_of(const record& r) {
  job_view view;
  view.id = *r.id;
  view.state = r.state.state();
  view.output = r.output;
  view.failure = r.failure;
  view.attempts = r.attempts;
  view.delay = r.delay;
  view.execution = r.execution;
  if (r.attempts > 0) {
    view.worker = "slot-" + std::to_string(r.holder.slot.value);
  }
  return view;
}

job_table::record* job_table::find_kept(moment now, const job_id& id) {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() || !kept(now, entry->second) ? nullptr : &entry->second;
}

void job_table::schedule(record& r, moment due) {
  // The node is moved, not remade: a job has exactly one deadline from submission to its end here.
  auto node = deadlines_.extract(deadline{r.due, r.order});
  r.due = due;
  node.key() = deadline{due, r.order};
  deadlines_.insert(std::move(node));
}

void job_table::account(record& r) {
  (r.kept ? kept_bytes_ : live_bytes_) -= r.bytes;
  r.kept = is_final(r.state.state());
  r.bytes = r.request.input.size() + r.output.size() + (r.chunks ? r.chunks->bytes : 0);
  (r.kept ? kept_bytes_ : live_bytes_) += r.bytes;
}

void job_table::forget(record& r) {
  kept_bytes_ -= r.bytes;
  ended_.erase(r.place);
  deadlines_.erase({r.due, r.order});
  jobs_.erase(jobs_.find(*r.id));
}

void job_table::trim() {
  while (ended_.size() > 1 &&
         (kept_bytes_ > limits_.kept_bytes_max || ended_.size() > limits_.kept_jobs_max)) {
    forget(*ended_.front());
  }
}

/// The only place where a job's state changes. An edge that the table does not have is a bug of
/// this room.
void job_table::move(record& r, job_state to, cause why, effects& out) {
  const auto from = r.state.move_to(to, why);
  if (!from) {
    throw std::logic_error(from.error().str());
  }
  if (*from == job_state::IN_QUEUE) {
    line_of(r).erase(r.place);
  } else {
    --running_;
  }
  if (to == job_state::IN_PROGRESS) {
    ++running_;
  }
  out.emplace_back(moved{job_view{}, *from, why, r.watch && is_final(to)});
}

void job_table::end(moment now, record& r, job_state to, cause why, std::optional<error> failure,
                    effects& out) {
  const std::size_t announced = out.size();
  move(r, to, why, out);
  const bool ran = std::get<moved>(out[announced]).from == job_state::IN_PROGRESS;
  if (ran) {
    r.delay = r.delay.value_or(std::chrono::duration_cast<milliseconds>(r.assigned - r.submitted));
    r.execution = std::chrono::duration_cast<milliseconds>(now - r.began.value_or(r.assigned));
  }
  switch (to) {
  case job_state::COMPLETED: ++counts_.completed; break;
  case job_state::FAILED: ++counts_.failed; break;
  case job_state::CANCELLED: ++counts_.cancelled; break;
  case job_state::TIMED_OUT: ++counts_.timed_out; break;
  case job_state::IN_QUEUE:
  case job_state::IN_PROGRESS: break;
  }
  if (to != job_state::COMPLETED) {
    r.output = {}; // what was shown as progress is not a result
  }
  r.failure = std::move(failure);
  r.request.input = {};
  schedule(r, now + (r.request.sync ? limits_.keep_sync : limits_.keep_async));
  r.place = ended_.insert(ended_.end(), &r);
  account(r);
  trim();
  std::get<moved>(out[announced]).view = view_of(r);

  // Whoever ended it from outside leaves an attempt behind that the engine is still at.
  const auto w = workers_.find(r.holder.slot);
  const attempt_ref attempt{*r.id, r.attempts};
  if (ran && w != workers_.end() && w->second.ref == r.holder &&
      w->second.holds.contains(attempt)) {
    out.emplace_back(revoke{r.holder, attempt});
  }
}

void job_table::lose(moment now, record& r, const error& why, effects& out) {
  drop_attempt_traces(r);
  if (r.attempts < limits_.max_attempts) {
    requeue(r, out);
    return;
  }
  end(now, r, job_state::FAILED, cause::attempts_exhausted,
      error{errc::max_attempts, "attempt " + std::to_string(r.attempts) + ": " + why.str()}, out);
}

void job_table::requeue(record& r, effects& out) {
  drop_attempt_traces(r);
  move(r, job_state::IN_QUEUE, cause::attempt_lost, out);
  auto& waiting = line_of(r);
  r.place = waiting.insert(waiting.begin(), &r);
  schedule(r, ttl_end(r));
  std::get<moved>(out.back()).view = view_of(r);
}

void job_table::drop_attempt_traces(record& r) {
  r.output = {};
  r.chunks.reset();
  account(r);
}

} // namespace tayfa
