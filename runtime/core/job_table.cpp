// The table's commands for clients and for the pod.
#include "runtime/core/job_table.hpp"

#include "runtime/core/request_fingerprint.hpp"

#include <algorithm>
#include <iterator>

namespace tayfa {

job_table::job_table(job_limits limits)
    : limits_(std::move(limits)),
      deliveries_({limits_.hook_tries, limits_.hook_pause, limits_.hook_calls}),
      jobs_(limits_, deliveries_), queue_(limits_.tenants, limits_.other_tenants),
      pool_(limits_.batch_max, limits_.batch_delay) {
  limits_.max_attempts = std::max<std::uint32_t>(limits_.max_attempts, 1);
  limits_.solo_crashes_max = std::max<std::uint32_t>(limits_.solo_crashes_max, 1);
  limits_.step_rows = std::max<std::size_t>(limits_.step_rows, 1);
  pace_ = step_pace{limits_.step_rows};
}

// ---- submit -------------------------------------------------------------------------------------

result<void> job_table::room_for(const job_request& request, std::size_t input_bytes) const {
  if (stopping_) {
    return fail(errc::stopping);
  }
  const std::size_t waiting = queue_.size() + sleeping_ + parked_;
  if (waiting >= limits_.queue_max) {
    return fail(errc::queue_full, std::to_string(waiting) + " jobs wait");
  }
  if (jobs_.live_bytes() + input_bytes > limits_.live_bytes_max) {
    return fail(errc::queue_full, std::to_string(jobs_.live_bytes()) + " bytes of inputs are held");
  }
  if (limits_.tenant_max > 0) {
    const auto mine = jobs_.live_of(request.policy.tenant);
    if (mine >= limits_.tenant_max) {
      return fail(errc::quota_exceeded, std::to_string(mine) + " of its jobs have not ended");
    }
  }
  return {};
}

result<job_table::submitted> job_table::submit(moment now, job_id id, job_request request,
                                               bool watch) {
  const bool keyed = !request.policy.idempotency_key.empty();
  const auto print = keyed ? fingerprint(request) : 0;
  if (keyed) {
    auto* const same = jobs_.same_key(request);
    if (same != nullptr && jobs_.kept(now, *same)) {
      record& r = *same;
      if (r.fingerprint != print) {
        return fail(errc::idempotency_mismatch);
      }
      r.watch = r.watch || watch;
      return submitted{view_of(r), false, {}};
    }
  }
  auto* const known = jobs_.find(id);
  if (known != nullptr) {
    if (!request.origin.empty() && known->request.origin == request.origin) {
      return given_again(now, *known, watch);
    }
  }
  if (const auto room = room_for(request, request.input.size()); !room) {
    return fail(room.error());
  }
  if (id.empty() || known != nullptr) {
    return fail(errc::bad_request, "a job with this id exists");
  }
  if (!pool_.models().empty() && request.model.empty()) {
    request.model = pool_.models().default_name();
  }
  if (const auto runs = pool_.models().may_run(request.model, now); !runs) {
    return fail(runs.error());
  }
  record& r = jobs_.add(std::move(id));
  r.order = ++orders_;
  r.request = std::move(request);
  r.fingerprint = print;
  r.input_bytes = r.request.input.size();
  r.watch = watch;
  r.submitted = now;
  r.life_began = now;
  r.not_before = now + r.request.policy.delay;
  r.attempts = r.uncharged_attempts =
      !r.of_platform() ? 0 : pool_.last_held_of(*r.id, running_ - unclaimed_.size());
  jobs_.enlist(r);
  jobs_.account(r);
  jobs_.mark_changed(r, store::part_request);
  pool_.job_arrived(now, r.request.model);
  exempt_from_purges(r); // its order may be below that of an adopted job
  queue_up(now, r);
  submitted answer{{}, true, {}};
  if (!r.sleeping) {
    assign(now, answer.then);
  }
  answer.view = view_of(r);
  return answer;
}

/// Its input is not what was asked for any more, or is gone: it cannot run again.
bool job_table::is_damaged(const record& r) {
  return r.past_ && r.past_->failure && r.past_->failure->code == errc::store_corrupt;
}

/// The platform gives a job again that it has given before.
result<job_table::submitted> job_table::given_again(moment now, record& r, bool watch) {
  submitted answer{{}, false, {}};
  if (r.delivery.undelivered) {
    if (!r.delivery.out) {
      deliver(now, r, answer.then); // it can be reached again
    }
  } else if (r.state.state() == job_state::COMPLETED || is_damaged(r)) {
    deliver_again(now, r, answer.then);
  } else if (r.ended()) {
    if (const auto room = room_for(r.request, r.input_bytes); !room) {
      return fail(room.error());
    }
    if (const auto runs = pool_.models().may_run(r.request.model, now); !runs) {
      return fail(runs.error());
    }
    revive(now, r);
    assign(now, answer.then);
  }
  r.watch = r.watch || watch;
  answer.view = view_of(r);
  return answer;
}

// ---- the other questions of clients -------------------------------------------------------------

result<job_view> job_table::find(moment now, const job_id& id, const job_access& who) const {
  const record* r = jobs_.find_kept(now, id, who);
  return r == nullptr ? result<job_view>{fail(errc::job_not_found)} : view_of(*r);
}

void job_table::keep(moment now, const job_id& id, milliseconds time, const job_access& who) {
  record* r = jobs_.find_kept(now, id, who);
  const auto until = now + std::min(time, job_policy::ttl_max);
  if (r == nullptr || until <= r->keep_until) {
    return;
  }
  r->keep_until = until;
  jobs_.mark_changed(*r, store::part_state);
  jobs_.schedule(*r);
}

result<job_table::view_and_effects> job_table::cancel(moment now, const job_id& id, bool by_origin,
                                                      const job_access& who) {
  record* r = jobs_.find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  effects out;
  const bool live = !r->ended();
  if (live) {
    end(now, *r, job_state::CANCELLED, cause::cancel_requested, std::nullopt, out);
  }
  auto view = view_of(*r);
  if (by_origin && r->delivery.undelivered) {
    close_delivery(*r);
    std::erase_if(out, [](const effect& e) { return std::holds_alternative<deliver_result>(e); });
    jobs_.trim(nullptr);
  }
  if (live) {
    assign(now, out); // its tenant may run another, or a worker was kept free for it
  }
  return view_and_effects{std::move(view), std::move(out)};
}

result<job_table::view_and_effects> job_table::retry(moment now, const job_id& id,
                                                     const job_access& who) {
  record* r = jobs_.find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  const auto state = r->state.state();
  if (state != job_state::FAILED && state != job_state::TIMED_OUT) {
    return fail(errc::wrong_state, "only FAILED and TIMED_OUT jobs run again; this one is " +
                                       std::string{to_string(state)});
  }
  if (is_damaged(*r)) {
    return fail(errc::wrong_state, "its stored data is damaged; submit it again");
  }
  if (!r->request.origin.empty()) {
    return fail(errc::wrong_state, "only the platform that it was taken from can run it again");
  }
  if (const auto room = room_for(r->request, r->input_bytes); !room) {
    return fail(room.error());
  }
  if (const auto runs = pool_.models().may_run(r->request.model, now); !runs) {
    return fail(runs.error());
  }
  revive(now, *r);
  effects out;
  assign(now, out);
  return view_and_effects{view_of(*r), std::move(out)};
}

/// A new life of an ended job.
void job_table::revive(moment now, record& ended_job) {
  record* const r = &ended_job;
  jobs_.discard_chunks(*r); // of the life that failed
  jobs_.take_from_ended(*r);
  job_past& p = r->past();
  p.failure.reset();
  p.delay.reset();
  p.execution.reset();
  jobs_.change_state(*r, r->state.state(), job_state::IN_QUEUE);
  r->state = {}; // a new life is a new machine, as a restarted engine is
  ++r->lives;
  r->suspect = r->suspect || r->solo_crashes > 0;
  r->solo_crashes = 0;
  r->uncharged_attempts = r->attempts;
  jobs_.mark_dead(*r, false);
  deliveries_.close(r->order, r->delivery);
  r->delivery.tries = 0;
  r->refresh = false;
  r->began.reset();
  r->life_began = now;
  r->not_before = now;
  jobs_.count_live(*r, true);
  jobs_.account(*r);
  jobs_.mark_changed(*r, store::part_state | store::part_output);
  exempt_from_purges(*r);
  queue_up(now, *r);
}

result<job_view> job_table::drop(moment now, const job_id& id, const job_access& who) {
  record* r = jobs_.find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  if (!r->ended()) {
    return fail(errc::wrong_state, "it has not ended; cancel it first");
  }
  if (r->delivery.undelivered) {
    return fail(errc::wrong_state,
                "its result is not delivered yet to the platform that it was taken from");
  }
  auto view = view_of(*r);
  jobs_.forget(*r);
  return view;
}

// ---- the pod ------------------------------------------------------------------------------------

void job_table::stop_taking() {
  stopping_ = true;
}

effects job_table::hand_back(moment now) {
  stopping_ = handed_back_ = true;
  std::map<std::uint64_t, record*> running;
  const auto& all = jobs_.of_state(job_state::IN_PROGRESS);
  for (auto next = all.above(0); next; next = all.above(*next)) {
    record& r = jobs_.at(*next);
    if (!limits_.durable || !r.goes_on()) {
      running.emplace(r.order, &r);
    }
  }
  effects out;
  for (auto next = jobs_.origins_live().above(0); next; next = jobs_.origins_live().above(*next)) {
    running.emplace(*next, &jobs_.at(*next)); // this pod will not run the platform's job any more
  }
  for (const auto& [order, r] : running) {
    if (!r->request.origin.empty()) {
      end(now, *r, job_state::FAILED, cause::stop_requested,
          error{errc::stopping, "the worker stopped before the job ended"}, out);
      continue;
    }
    lose(now, *r, error{errc::stopping, "handed back"}, out, true);
    revoke_current(*r, out);
  }
  auto stopped = stop_purges();
  out.insert(out.end(), std::make_move_iterator(stopped.begin()),
             std::make_move_iterator(stopped.end()));
  return out;
}

job_counts job_table::counts() const {
  job_counts all = counts_;
  all.in_queue = queue_.size() + sleeping_ + parked_;
  all.in_progress = running_;
  all.chunks_dropped = jobs_.chunks_dropped();
  all.dead = jobs_.dead().size();
  all.kept = jobs_.ended() + jobs_.dead().size() + jobs_.undelivered().size();
  return all;
}

job_counts job_table::counts(const job_access& who) const {
  return who == job_access{} ? counts() : jobs_.numbers().of(who);
}

} // namespace tayfa
