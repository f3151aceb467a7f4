// The supervisor's slots: how each is started and kept, and how what the slot table decides is
// carried out.
//
// A slot that fails too often is quarantined: left alone for a time that doubles, then tried again.
// While LAUNCHING it counts as given up, so that the others can begin; when that befalls all of
// them, the pod ends.
#include "actors/supervisor.hpp"

namespace tayfa {

namespace {

child_keeper::end judge_worker(const caf::error& reason) {
  switch (worker_end_from(reason)) {
  case worker_end::as_asked: return child_keeper::end::normal;
  case worker_end::refresh: return child_keeper::end::refresh;
  case worker_end::in_job: return child_keeper::end::excused;
  case worker_end::in_later_job: return child_keeper::end::excused_after_work;
  case worker_end::failed: return child_keeper::end::failed;
  }
  return child_keeper::end::failed;
}

supervision::policy policy_from(const config& k) {
  supervision::policy policy;
  policy.intensity = k.engine_restart_intensity;
  policy.period = k.engine_restart_period;
  policy.backoff_base = k.engine_backoff_base;
  policy.backoff_max = k.engine_backoff_max;
  policy.healthy_after = k.engine_healthy_after;
  policy.quarantine_base = k.engine_quarantine_base;
  policy.quarantine_max = k.engine_quarantine_max;
  return policy;
}

} // namespace

// ---- each slot's engine ------------------------------------------------------------------------

void supervisor::make_keeper(std::size_t i) {
  const auto number = ++slot_actors_[i].keepers;
  child_keeper::hooks hooks;
  hooks.start = [this, i](std::size_t) { return start_worker(i); };
  hooks.later = [this, i, number](std::chrono::milliseconds after, std::uint64_t ticket) {
    arm_slot(after, {i, false, number, ticket});
  };
  hooks.started = [] {};
  hooks.gave_up = [](std::size_t, const error&) {}; // a quarantine takes its place
  hooks.quarantined = [this, i](std::size_t, const error& why, std::chrono::milliseconds time) {
    slot_quarantined(i, why, time);
  };
  hooks.all_stopped = [this, i] {
    slot_actors_[i].worker = nullptr;
    execute(slots_.stopped(i));
    workers_stopped();
  };
  // Room for shutdown, SIGTERM and SIGKILL, each with its grace, before the worker itself is
  // killed.
  const auto patience = ctx_.knobs.engine_stop_grace * 3 + std::chrono::milliseconds{1'000};
  slot_actors_[i].keeper = std::make_unique<child_keeper>(
      this, ctx_, policy_from(ctx_.knobs),
      std::vector<supervision::child_spec>{
          {"gpu_worker/" + std::to_string(i), supervision::restart::permanent, patience}},
      std::move(hooks), judge_worker);
}

caf::strong_actor_ptr supervisor::start_worker(std::size_t i) {
  const auto life = slots_.begin_life(i);
  if (life.worker.incarnation > 1) {
    ctx_.outside.meters.add(meter::engine_restarts);
  }
  slot_actors_[i].worker = spawn<gpu_worker>(
      ctx_, worker_terms{life.worker, life.engine, directory_, life.model, slots_.count()});
  const auto child = caf::actor_cast<caf::strong_actor_ptr>(slot_actors_[i].worker);
  announce(child);
  return child;
}

void supervisor::worker_down(const caf::down_msg& m) {
  for (std::size_t i = 0; i < slot_actors_.size(); ++i) {
    if (slot_actors_[i].worker && slot_actors_[i].worker.address() == m.source) {
      execute(slots_.worker_down(i));
    }
    if (slot_actors_[i].keeper && slot_actors_[i].keeper->down(m)) {
      return;
    }
  }
}

void supervisor::arm_slot(std::chrono::milliseconds after, slot_timer what) {
  slot_timers_[++next_slot_timer_] = what;
  send_timer(this, ctx_.outside.time, after, next_slot_timer_, slot_alarm);
}

void supervisor::slot_timed(std::uint64_t ticket) {
  const auto node = slot_timers_.extract(ticket);
  if (node.empty()) {
    return;
  }
  const auto& what = node.mapped();
  if (what.again) {
    execute(slots_.again(what.slot));
  } else if (what.keeper == slot_actors_[what.slot].keepers) {
    slot_actors_[what.slot].keeper->timed(what.ticket);
  }
}

void supervisor::slot_quarantined(std::size_t i, const error& why, std::chrono::milliseconds time) {
  auto& log = ctx_.outside.log;
  log.error("slot_quarantined", {{"slot", i}, {"for_ms", time.count()}, {"text", why.text}});
  const bool launching_now = state_.state() == pod_state::LAUNCHING;
  if (launching_now) {
    log.error("slot_given_up", {{"slot", i}, {"text", why.text}});
  }
  switch (slots_.quarantined(i, launching_now)) {
  case slot_table::loss::of_files: log.error("no_model_loads", {{"text", why.text}}); break;
  case slot_table::loss::all: fail(cause::part_failed, slots_.why_all_are_lost(why)); break;
  case slot_table::loss::some:
    if (launching_now) {
      maybe_ready();
    }
    break;
  }
}

// ---- operators ---------------------------------------------------------------------------------

slots_answer supervisor::drain(const drain_slot& m) {
  const bool changes = slots_.draining(m.slot) != m.on;
  const auto actions = slots_.drain(m.slot, m.on);
  if (!actions) {
    return {tayfa::fail(actions.error())};
  }
  if (changes) {
    ctx_.outside.log.info("slot_drain", {{"slot", m.slot.value}, {"on", m.on}});
    execute(*actions);
    refresh_ready();
  }
  return {slots_.summaries()};
}

slots_answer supervisor::resize(const resize_slots& m) {
  const auto before = slots_.count();
  const auto actions = slots_.resize(m.count);
  if (!actions) {
    return {tayfa::fail(actions.error())};
  }
  ctx_.outside.log.info("slots_resized", {{"from", before}, {"to", m.count}});
  ctx_.outside.meters.set(meter::slots, slots_.count());
  execute(*actions);
  refresh_ready();
  return {slots_.summaries()};
}

// ---- what the table decides --------------------------------------------------------------------

void supervisor::execute(const slot_actions& actions) {
  for (const auto& action : actions) {
    std::visit([this](const auto& one) { execute_one(one); }, action);
  }
}

void supervisor::execute_one(const start_slot& a) {
  if (a.slot >= slot_actors_.size()) {
    slot_actors_.resize(a.slot + 1);
  }
  make_keeper(a.slot);
  slot_actors_[a.slot].keeper->start();
}

void supervisor::execute_one(const start_slot_again& a) {
  arm_slot(std::chrono::milliseconds{0}, {a.slot, true});
}

void supervisor::execute_one(const stop_slot& a) {
  slot_actors_[a.slot].keeper->stop();
}

void supervisor::execute_one(const drain_engine& a) {
  if (const auto& worker = slot_actors_[a.worker.slot.value].worker) {
    send(worker, a);
  }
}

void supervisor::execute_one(const slot_ended& a) {
  ctx_.outside.log.info(a.removed ? "slot_removed" : "slot_drained", {{"slot", a.slot}});
  send(directory_.health, slot_left{slot_id{static_cast<std::uint32_t>(a.slot)}});
  refresh_ready();
}

void supervisor::execute_one(const share_cpus& a) {
  ctx_.outside.engines.share_among(a.slots);
}

} // namespace tayfa
