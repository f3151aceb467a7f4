// How the pod ends: STOPPING in order (take nothing more, drain, workers, core, HTTP), by force
// when the deadline passes or somebody asks twice, and the exit code.
#include "actors/supervisor.hpp"

#include <algorithm>

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

void supervisor::stop(const stop_pod& m) {
  if (state_.state() == pod_state::STOPPING) {
    ctx_.outside.log.warn("stop_forced", {{"reason", m.reason}});
    force();
    return;
  }
  exit_ = pod_exit{0, "stopped as asked (" + m.reason + ")", true};
  ctx_.outside.log.info("stop", {{"reason", m.reason}});
  begin_stopping(cause::stop_requested);
}

void supervisor::fail(cause why, error e) {
  if (state_.state() == pod_state::STOPPING) {
    return; // it is ending already; the first reason stands
  }
  exit_ = pod_exit{exit_code_for(e.code), e.str(), true};
  ctx_.outside.log.error("pod_failed", {{"code", e.code}, {"text", e.text}});
  begin_stopping(why);
}

void supervisor::begin_stopping(cause why) {
  move_to(pod_state::STOPPING, why, ctx_.knobs.pod_stopping_budget);
  become(stopping());
  if (!directory_.queue) {
    close_store(); // nothing was started yet
    return;
  }
  if (core_lost_) {
    stop_workers();
    return;
  }
  send_timer(this, ctx_.outside.time, ctx_.knobs.pod_drain_budget, 0, drain_budget);
  if (directory_.runpod) {
    send(directory_.runpod, drain_origin{}); // what the platform gave runs to its end first
  } else {
    origin_drained_ = true;
    undelivered_ = false;
    drain_queue_when_all_is_delivered();
  }
}

void supervisor::drain_queue_when_all_is_delivered() {
  if (origin_drained_ && !undelivered_ && directory_.queue &&
      !std::exchange(queue_draining_, true)) {
    send(directory_.queue, drain_queue{});
  }
}

/// Nothing runs any more. Results that are on their way to the platform get a moment.
void supervisor::end_drain() {
  if (!undelivered_ || !directory_.runpod) {
    stop_workers();
    return;
  }
  if (!std::exchange(waits_for_posts_, true)) {
    send_timer(this, ctx_.outside.time, delivery_patience, 0, delivery_end);
  }
}

void supervisor::stop_workers() {
  if (std::exchange(workers_stopping_, true)) {
    return;
  }
  for (auto& s : slots_) {
    s.keeper->stop();
  }
  workers_stopped();
}

void supervisor::workers_stopped() {
  const auto gone = [](const slot& s) { return s.stopped; };
  if (workers_stopping_ && std::all_of(slots_.begin(), slots_.end(), gone) &&
      !std::exchange(core_stopping_, true)) {
    core_->stop();
  }
}

void supervisor::force() {
  forced_ = true;
  if (!core_) {
    return;
  }
  stop_workers();
  for (auto& s : slots_) {
    s.keeper->kill_all();
  }
  if (!std::exchange(core_stopping_, true)) {
    core_->stop();
  }
  core_->kill_all();
}

/// Last of all: whatever the actors decided has been asked of it by now.
void supervisor::close_store() {
  if (!std::exchange(store_open_, false)) {
    finish();
    return;
  }
  ctx_.outside.store.close(
      [me = caf::actor_cast<supervisor_actor>(this)] { caf::anon_send(me, store_closed{}); });
}

void supervisor::finish() {
  const bool in_time = !forced_;
  move_to(pod_state::STOPPED, in_time ? cause::all_stopped : cause::deadline);
  if (!in_time && exit_.code == 0) {
    exit_.reason += "; what still ran was killed";
  }
  ctx_.outside.log.info("stopped", {{"code", exit_.code}, {"reason", exit_.reason}});
  told_ = true;
  terms_.stopped(exit_);
  quit();
}

} // namespace tayfa
