#include "actors/gpu_worker.hpp"

#include <utility>

namespace tayfa {

namespace {

session_limits limits_of(const std::string& engine, const config& knobs) {
  const auto* const kind = find_engine(engine);
  if (kind == nullptr) {
    return {0, knobs.engine_heartbeat_misses};
  }
  return {kind->capacity_most, knobs.engine_heartbeat_misses, kind->entry_kinds()};
}

} // namespace

gpu_worker::gpu_worker(caf::actor_config& cfg, pod_context ctx, worker_terms terms)
    : gpu_worker_actor::base(cfg), ctx_(ctx), terms_(std::move(terms)),
      since_(ctx_.outside.time.now()),
      process_(ctx_.outside.engines, terms_.worker, ctx_.knobs.engine_stop_grace,
               [this](std::chrono::milliseconds delay, process_keeper::timer what) {
                 return arm(delay, what == process_keeper::timer::limit ? state_budget : stop_step);
               }),
      session_(limits_of(terms_.engine, ctx_.knobs)) {
  guard(this, ctx_.outside.log);
  set_exit_handler([this](caf::exit_msg& m) {
    if (m.reason == caf::exit_reason::kill) {
      quit(m.reason);
      return;
    }
    asked_ = true;
    shut_down(cause::stop_requested, {});
  });
}

gpu_worker::behavior_type gpu_worker::make_behavior() {
  status_.worker = terms_.worker;
  status_.engine = terms_.engine;
  status_.next_model = terms_.model;
  process_.start(engine_spec{terms_.worker, terms_.engine, {}, terms_.slots},
                 [me = caf::actor_cast<gpu_worker_actor>(this)](engine_event e) {
                   caf::anon_send(me, engine_reported{std::move(e)});
                 });
  process_.limit(ctx_.knobs.engine_hello_timeout);
  return starting();
}

void gpu_worker::on_exit() {
  process_.abandon();
  terms_.directory = actor_directory{};
}

// ---- behaviours --------------------------------------------------------------------------------

auto gpu_worker::common() {
  return std::tuple{[this](const engine_reported& m) { on(m); },
                    [this](const actor_directory& m) { on_directory(m); },
                    when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); })};
}

gpu_worker::behavior_type gpu_worker::starting() {
  return state_of<behavior_type>(
      common(),
      ignored<model_granted, assign_attempts, revoke_attempt, change_worker_model, drain_engine>());
}

gpu_worker::behavior_type gpu_worker::loading() {
  return state_of<behavior_type>(
      common(), [this](const model_granted& m) { granted(m); },
      ignored<assign_attempts, revoke_attempt, change_worker_model, drain_engine>());
}

gpu_worker::behavior_type gpu_worker::serving() {
  return state_of<behavior_type>(
      common(), ignored<model_granted>(), [this](const assign_attempts& m) { assigned(m); },
      [this](const revoke_attempt& m) { revoked(m); },
      [this](const change_worker_model& m) { change(m); },
      [this](const drain_engine& m) { drain(m); });
}

gpu_worker::behavior_type gpu_worker::ending() {
  return state_of<behavior_type>(
      common(),
      [this](const engine_reported& m) {
        // Only the end of the process matters now; its reports of attempts are fenced anyway.
        if (const auto* exited = std::get_if<engine_exited>(&m.what)) {
          on(*exited);
        }
      },
      ignored<model_granted, assign_attempts, revoke_attempt, change_worker_model, drain_engine,
              actor_directory>());
}

// ---- messages of other actors ----------------------------------------------------------------

void gpu_worker::settle() {
  if (!session_.idle()) {
    return;
  }
  move_to(engine_state::READY, cause::jobs_done);
  report_status();
  if (refresh_) {
    shut_down(cause::stop_requested, {});
  } else if (!offered_) {
    offer();
  }
}

void gpu_worker::report_status() {
  status_.running = static_cast<std::uint32_t>(session_.held().size());
  if (terms_.directory.supervisor) {
    send(terms_.directory.supervisor, status_);
  }
}

void gpu_worker::offer() {
  if (draining_) {
    return;
  }
  offered_ = true;
  send(terms_.directory.dispatcher, worker_ready{terms_.worker, session_.facts()});
}

void gpu_worker::assigned(const assign_attempts& m) {
  if (m.worker != terms_.worker) {
    return;
  }
  for (auto body : m.bodies) {
    given_lately_ = true;
    session_.assign(body);
    if (session_.held().size() == 1) {
      move_to(engine_state::PROCESSING, cause::jobs_started);
      report_status();
    }
    process_.send(std::move(body));
  }
}

void gpu_worker::revoked(const revoke_attempt& m) {
  if (m.worker == terms_.worker && session_.can_revoke(m.attempt)) {
    process_.send(protocol::cancel{m.attempt});
    session_.revoked(m.attempt, arm(ctx_.knobs.engine_cancel_grace, cancel_grace));
  }
}

/// Another model is loaded by another process, so that the device's memory is truly free again.
void gpu_worker::change(const change_worker_model& m) {
  if (m.worker != terms_.worker || m.model == session_.model()) {
    return;
  }
  status_.next_model = m.model;
  refresh_ = true;
  report_status();
  if (session_.idle()) {
    shut_down(cause::stop_requested, {});
  }
}

void gpu_worker::drain(const drain_engine& m) {
  if (m.worker != terms_.worker || m.on == draining_) {
    return;
  }
  draining_ = m.on;
  if (!m.on) {
    offer();
    return;
  }
  offered_ = false;
  given_lately_ = false;
  send(terms_.directory.dispatcher, drain_worker{terms_.worker});
  drain_ticket_ = arm(ctx_.knobs.engine_heartbeat, drain_check);
}

/// Attempts decided by the queue before the drain may still be in flight (its store commits first),
/// so the engine is idle only when nothing has arrived for a while.
void gpu_worker::check_drain() {
  if (!draining_ || !alive()) {
    return;
  }
  if (session_.idle() && !std::exchange(given_lately_, false)) {
    send(terms_.directory.supervisor, worker_drained{terms_.worker});
    return;
  }
  drain_ticket_ = arm(ctx_.knobs.engine_heartbeat, drain_check);
}

void gpu_worker::on_directory(const actor_directory& m) {
  const bool new_queue = m.dispatcher != terms_.directory.dispatcher;
  const bool new_loader = m.loader != terms_.directory.loader;
  terms_.directory = m;
  if (new_loader && session_.wants_model()) {
    ask_for_model();
  }
  if (!new_queue || (!offered_ && session_.idle())) {
    return;
  }
  // The new queue counts our attempts as lost: stop them, then offer ourselves again.
  offered_ = false;
  for (const auto& attempt : session_.held()) {
    revoked(revoke_attempt{terms_.worker, attempt});
  }
  if (session_.idle()) {
    offer();
  }
}

void gpu_worker::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case state_budget:
    if (process_.is_over_limit(m.ticket) && alive()) {
      kill(cause::state_timeout,
           error{errc::state_timeout, std::string{to_string(state_.state())}});
    }
    break;
  case heartbeat_check: check_heartbeat(); break;
  case cancel_grace:
    if (alive() && session_.grace_is_over(m.ticket)) {
      kill(cause::hung, error{errc::engine_hang, "a cancelled attempt did not end in time"});
    }
    break;
  case stop_step:
    if (!process_.step_down()) {
      ctx_.outside.log.error("engine_unkillable", {{"worker", terms_.worker}});
      quit(to_reason(how_it_ended()));
    }
    break;
  case drain_check:
    if (m.ticket == drain_ticket_) {
      check_drain();
    }
    break;
  }
}

void gpu_worker::check_heartbeat() {
  if (!alive()) {
    return;
  }
  if (session_.check_silence()) {
    kill(cause::hung, error{errc::engine_hang, "no heartbeat"});
    return;
  }
  arm(ctx_.knobs.engine_heartbeat, heartbeat_check);
}

void gpu_worker::move_to(engine_state to, cause why) {
  if (state_.state() == to) {
    return;
  }
  if (!move(state_, to, why, ctx_.outside, since_, {{"worker", terms_.worker}})) {
    return;
  }
  const engine_moved fact{terms_.worker, to, why, reason_};
  if (terms_.directory.supervisor) {
    send(terms_.directory.supervisor, fact);
  }
  if (terms_.directory.health) {
    send(terms_.directory.health, fact);
  }
}

std::uint64_t gpu_worker::arm(std::chrono::milliseconds delay, topic about) {
  send_timer(this, ctx_.outside.time, delay, ++ticket_, about);
  return ticket_;
}

} // namespace tayfa
