// How the pod ends: the phases of STOPPING (stop_state) and the exit code. Each event moves the
// stop along an edge of the lifecycle table; entering a phase begins its work.
#include "actors/supervisor.hpp"

namespace tayfa {

int exit_code_for(errc e) {
  // Only errors of the pod itself end it; any other code here is a bug and exits 70.
  if (e == errc::bad_usage) {
    return 64;
  }
  if (e == errc::bad_config || e == errc::model_invalid || e == errc::model_not_found ||
      e == errc::store_corrupt) {
    return 65;
  }
  if (e == errc::unfit || e == errc::no_torch || e == errc::engine_start ||
      e == errc::engine_crash || e == errc::engine_hang || e == errc::gpu_oom ||
      e == errc::state_timeout) {
    return 69;
  }
  if (e == errc::port_in_use || e == errc::store_locked || e == errc::unavailable) {
    return 75; // the last: no thread or process was left
  }
  return 70;
}

// ---- requests and failures ---------------------------------------------------------------------

void supervisor::stop(const stop_pod& m) {
  if (state_.state() == pod_state::STOPPING) {
    ctx_.outside.log.warn("stop_forced", {{"reason", m.reason}});
    force(cause::stop_requested);
    return;
  }
  exit_ = pod_exit{0, "stopped as asked (" + m.reason + ")", true};
  ctx_.outside.log.info("stop", {{"reason", m.reason}});
  begin_stopping(first_phase(), cause::stop_requested);
}

void supervisor::fail(cause why, const error& e) {
  end_with(e, first_phase(), why);
}

/// The core group was given up: nothing is left that could drain.
void supervisor::core_given_up(const error& e) {
  if (state_.state() == pod_state::STOPPING && drains()) {
    enter(stop_state::STOPPING_WORKERS, cause::part_failed);
  } else {
    end_with(e, stop_state::STOPPING_WORKERS, cause::part_failed);
  }
}

void supervisor::end_with(const error& e, stop_state first, cause why) {
  if (state_.state() == pod_state::STOPPING) {
    return; // it is ending already; the first reason stands
  }
  exit_ = pod_exit{exit_code_for(e.code), e.str(), true};
  ctx_.outside.log.error("pod_failed", {{"code", e.code}, {"text", e.text}});
  begin_stopping(first, why);
}

stop_state supervisor::first_phase() const {
  if (!directory_.dispatcher) {
    return stop_state::CLOSING_STORE; // no actor was started yet
  }
  return directory_.runpod ? stop_state::DRAINING_ORIGIN : stop_state::DRAINING_QUEUE;
}

void supervisor::begin_stopping(stop_state first, cause why) {
  move_to(pod_state::STOPPING, why, ctx_.knobs.pod_stopping_budget);
  become(stopping());
  if (first < stop_state::STOPPING_WORKERS) {
    send_timer(this, ctx_.outside.time, ctx_.knobs.pod_drain_budget, 0, drain_budget);
  }
  enter(first, why);
}

// ---- phases ------------------------------------------------------------------------------------

void supervisor::enter(stop_state to, cause why) {
  if (!move(stop_, to, why, ctx_.outside, stop_since_)) {
    return;
  }
  switch (to) {
  case stop_state::NOT_STOPPING:
  case stop_state::FINISHING_ORIGIN:
  case stop_state::DONE: break;
  case stop_state::DRAINING_ORIGIN: send(directory_.runpod, drain_origin{}); break;
  case stop_state::DRAINING_QUEUE: send(directory_.dispatcher, drain_queue{}); break;
  case stop_state::HANDING_BACK:
    send(directory_.dispatcher, drain_queue{});
    send(directory_.dispatcher,
         hand_back_jobs{}); // queue_drained follows, unless the queue is dying
    send_timer(this, ctx_.outside.time, undelivered() ? delivery_patience : drain_patience, 0,
               drain_end);
    break;
  case stop_state::DELIVERING:
    send_timer(this, ctx_.outside.time, delivery_patience, 0, drain_end);
    break;
  case stop_state::STOPPING_WORKERS:
    execute(slots_.stop_all());
    workers_stopped();
    break;
  case stop_state::STOPPING_CORE: core_->stop(); break;
  case stop_state::KILLING: kill_all(); break;
  case stop_state::CLOSING_PORT:
    ctx_.outside.http.close(
        [me = caf::actor_cast<supervisor_actor>(this)] { caf::anon_send(me, http_closed{}); });
    break;
  case stop_state::CLOSING_STORE: close_store(); break;
  }
}

void supervisor::on(const origin_drained&) {
  if (stop_.state() == stop_state::DRAINING_ORIGIN) {
    undelivered() ? enter(stop_state::FINISHING_ORIGIN, cause::origin_drained)
                  : enter(stop_state::DRAINING_QUEUE, cause::delivered);
  }
}

void supervisor::load_changed_while_stopping() {
  if (undelivered()) {
    return;
  }
  if (stop_.state() == stop_state::FINISHING_ORIGIN) {
    enter(stop_state::DRAINING_QUEUE, cause::delivered);
  } else if (stop_.state() == stop_state::DELIVERING) {
    enter(stop_state::STOPPING_WORKERS, cause::delivered);
  }
}

/// Nothing runs any more. Results that are on their way to the platform get a moment.
void supervisor::on(const queue_drained&) {
  if (stop_.state() == stop_state::DRAINING_QUEUE || stop_.state() == stop_state::HANDING_BACK) {
    enter(undelivered() ? stop_state::DELIVERING : stop_state::STOPPING_WORKERS, cause::jobs_done);
  }
}

void supervisor::drain_budget_over() {
  if (stop_.state() < stop_state::HANDING_BACK) {
    enter(stop_state::HANDING_BACK, cause::state_timeout);
  }
}

void supervisor::workers_stopped() {
  if (stop_.state() == stop_state::STOPPING_WORKERS && slots_.all_stopped()) {
    enter(stop_state::STOPPING_CORE, cause::all_stopped);
  }
}

void supervisor::force(cause why) {
  forced_ = true;
  if (stop_.state() < stop_state::KILLING) {
    enter(stop_state::KILLING, why);
  }
}

void supervisor::kill_all() {
  execute(slots_.stop_all());
  for (const auto& each : slot_actors_) {
    each.keeper->kill_all();
  }
  core_->stop();
  core_->kill_all();
}

/// The store closes last: by now it has received every decision of the actors.
void supervisor::close_store() {
  if (!std::exchange(store_open_, false)) {
    finish();
    return;
  }
  ctx_.outside.store.close(
      [me = caf::actor_cast<supervisor_actor>(this)] { caf::anon_send(me, store_closed{}); });
}

void supervisor::finish() {
  move_to(pod_state::STOPPED, forced_ ? cause::deadline : cause::all_stopped);
  if (forced_ && exit_.code == 0) {
    exit_.reason += "; what still ran was killed";
  }
  ctx_.outside.log.info("stopped", {{"code", exit_.code}, {"reason", exit_.reason}});
  enter(stop_state::DONE, cause::closed);
  terms_.stopped(exit_);
  quit();
}

} // namespace tayfa
