// Assigns attempts: fairness chooses the next job (fair_queue), the worker pool where it runs and
// with how many others. This file combines them.
//
// One decision serves jobs until no group can be served now. A group that cannot be is passed over
// with its reason, and the worker it waits for is reserved for it within the decision.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Purged jobs are set aside much faster than they are ended.
constexpr std::size_t purged_per_row = 4;
/// Groups that one decision passes over; so many kinds of jobs that wait for a worker of their own
/// do not make it long.
constexpr std::size_t passed_most = 256;

} // namespace

worker_pool::needs job_table::needs_of(const record& r) const {
  worker_pool::needs job{.model = r.request.model,
                         .shape = r.request.shape,
                         .endpoint = r.request.endpoint,
                         .alone = r.suspect,
                         .since = std::max(r.life_began, r.not_before)};
  if (r.solo_crashes > 0 && r.holder.incarnation > 0) {
    job.not_again = r.holder.place();
  }
  return job;
}

void job_table::assign(moment now, effects& out) {
  pool_.forget_look_again();
  cut_short_ = false;
  group_waits_.clear();
  kind_waits_.clear();
  if (stopping_) {
    return;
  }
  if (pool_.begin_decision(now)) {
    steps_at_ = now; // a model is broken: a step ends its jobs
  }
  serve_groups(now, out);
  pool_.end_decision(now);
}

void job_table::serve_groups(moment now, effects& out) {
  fair_queue::passed_over passed;
  std::size_t left_out = 0;
  while (pool_.any_room()) {
    const auto next = queue_.first(passed);
    if (!next) {
      return;
    }
    if (passed.count == passed_most) {
      cut_short_ = true; // each of them has said when to look again
      return;
    }
    record& r = jobs_.at(next->order);
    const bool over =
        jobs_.ttl_end(r) <= now; // its timer was not served yet; it must not start any more
    const bool to_be_purged = purge_of(r) != nullptr;
    if ((over || to_be_purged) && left_out++ == limits_.step_rows * purged_per_row) {
      cut_short_ = true;
      pool_.look_again_at(now); // other messages are served in between
      return;
    }
    if (to_be_purged) {
      park(r); // out of the way, until the purge comes to it
      continue;
    }
    if (over) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
      continue;
    }
    const auto found = serve(now, r, next->group, out);
    if (found.why != wait_reason::none) {
      record_wait(*next->key, found.why, found.of_kind);
      queue_.pass(passed, next->group, found.of_kind);
    }
  }
}

void job_table::record_wait(group_key group, wait_reason why, bool of_kind) {
  if (of_kind) {
    group.shape.clear();
  }
  (of_kind ? kind_waits_ : group_waits_)[std::move(group)] = why;
}

/// Why the last decision passed over jobs of this group; none = it did not.
wait_reason job_table::noted(group_key group) const {
  if (const auto note = group_waits_.find(group); note != group_waits_.end()) {
    return note->second;
  }
  group.shape.clear();
  const auto note = kind_waits_.find(group);
  return note == kind_waits_.end() ? wait_reason::none : note->second;
}

/// Gives the job out, with others of its group; or says why it waits.
worker_pool::verdict job_table::serve(moment now, record& r, fair_queue::group_id group,
                                      effects& out) {
  if (pool_.models().is_broken(r.request.model, now)) {
    steps_at_ = now; // a step ends it
    return {wait_reason::model_retry, true};
  }
  auto found = pool_.place(now, needs_of(r), place_of(r).group, queue_);
  if (found.changes) {
    out.emplace_back(change_worker_model{found.to->ref, found.to->changing_to});
  } else if (found.to != nullptr) {
    give_run(now, r, found, group, out);
  }
  return found;
}

void job_table::give_run(moment now, record& first, const worker_pool::verdict& run,
                         fair_queue::group_id group, effects& out) {
  pool_worker& w = *run.to;
  const std::uint64_t batch = run.members > 1 ? ++batches_ : 0;
  const std::size_t begin = out.size();
  std::uint32_t members = 1;
  pool_.begin_run(now, w, needs_of(first), run.members);
  hand_over(now, first, w, run.run_ms, batch, out);
  while (members < run.members) {
    const auto next = queue_.first_of(group);
    if (!next) {
      break;
    }
    record& r = jobs_.at(next->order);
    if (purge_of(r) != nullptr) {
      break;
    }
    if (jobs_.ttl_end(r) <= now) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
      continue;
    }
    hand_over(now, r, w, run.run_ms, batch, out);
    ++members;
  }
  pool_.begun(now, w, members);
  for (std::size_t i = begin; i < out.size(); ++i) {
    if (auto* g = std::get_if<assign_attempt>(&out[i])) {
      g->message.batch = members > 1 ? batch : 0;
      g->message.batch_size = members;
      jobs_.find(g->message.attempt.job)->in_batch = members > 1;
    }
  }
}

void job_table::hand_over(moment now, record& r, pool_worker& w, double expected_ms,
                          std::uint64_t batch, effects& out) {
  move(r, job_state::IN_PROGRESS, cause::assigned, out);
  ++r.attempts;
  if (r.attempts > 1) {
    ++counts_.retried;
    jobs_.numbers().retried(r.request);
  }
  r.holder = w.ref;
  r.assigned = now;
  r.holder_name = w.name;
  r.lasting = w.lasting;
  r.streamed = false;
  const auto lease = w.facts.lease.count() > 0 ? w.facts.lease : limits_.lease;
  r.lease_end = w.facts.steps || w.facts.lease.count() > 0 ? now + lease : moment::max();
  r.expected_ms = static_cast<std::uint32_t>(std::clamp(expected_ms, 0.0, 4e9));
  r.began.reset();
  r.progress_seen = 0;
  r.chunk_seen = 0;
  jobs_.schedule(r);
  queue_.started(r.request.policy.tenant, milliseconds{r.expected_ms});
  std::get<moved>(out.back()).view = view_of(r);

  const attempt_ref attempt{*r.id, r.attempts};
  assign_attempt g{w.ref, protocol::assign{}, 0, pool_.hold(now, w, attempt, r.input_bytes)};
  g.message.attempt = attempt;
  g.message.model = r.request.model;
  g.message.input = r.request.input;
  g.message.batch = batch;
  g.message.s3_config = r.request.s3_config;
  g.terms.timeout = std::chrono::duration_cast<milliseconds>(jobs_.run_end(r) - r.assigned);
  g.terms.endpoint = r.request.endpoint;
  if (r.request.input.empty() && r.input_bytes > 0) {
    g.stored_input = r.order;
  }
  out.emplace_back(std::move(g));
}

} // namespace tayfa
