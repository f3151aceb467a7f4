#include "actors/gpu_worker.hpp"

#include <algorithm>
#include <csignal>

namespace tayfa {

namespace {

log_level level_of(std::uint8_t n) {
  return n <= 3 ? static_cast<log_level>(n) : log_level::info;
}

/// "cuda:0 NVIDIA H200" -> "NVIDIA H200": what devices of one kind have in common.
std::string kind_of_device(const std::string& device) {
  const auto space = device.find(' ');
  const bool numbered = space != std::string::npos && device.find(':') < space;
  return numbered ? device.substr(space + 1) : device;
}

} // namespace

gpu_worker::gpu_worker(caf::actor_config& cfg, pod_context ctx, worker_terms terms)
    : gpu_worker_actor::base(cfg), ctx_(ctx), terms_(std::move(terms)),
      since_(ctx_.outside.time.now()) {
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
  ctx_.outside.engines.start(engine_spec{terms_.worker, terms_.engine, {}, terms_.slots},
                             [me = caf::actor_cast<gpu_worker_actor>(this)](engine_event e) {
                               caf::anon_send(me, engine_reported{std::move(e)});
                             });
  state_ticket_ = arm(ctx_.knobs.engine_hello_timeout, state_budget);
  return starting();
}

void gpu_worker::on_exit() {
  if (!exited_) {
    ctx_.outside.engines.kill(terms_.worker, SIGKILL);
  }
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

// ---- what the process did ----------------------------------------------------------------------

void gpu_worker::on(const engine_reported& m) {
  std::visit([this](const auto& what) { on(what); }, m.what);
}

void gpu_worker::on(const engine_spawned& e) {
  ctx_.outside.log.info(
      "engine_started",
      {{"worker", terms_.worker}, {"pid", e.pid}, {"cpus", e.pinned}, {"threads", e.threads}});
  status_.pinned = e.pinned;
  report_status();
  born();
}

void gpu_worker::born() {
  // A process's first frame may overtake the event of its start.
  if (state_.state() == engine_state::NOT_STARTED) {
    move_to(engine_state::INITIALIZING, cause::spawned);
  }
}

void gpu_worker::on(const engine_frame& e) {
  heard_ = true;
  born();
  std::visit(
      [this](const auto& body) {
        using body_type = std::decay_t<decltype(body)>;
        if constexpr (requires { body.sequence, body.payload; } ||
                      std::is_same_v<body_type, protocol::started> ||
                      std::is_same_v<body_type, protocol::stepped> ||
                      std::is_same_v<body_type, protocol::finished>) {
          report_attempt(body);
        } else {
          said(body);
        }
      },
      e.body);
}

void gpu_worker::on(const engine_nonsense& e) {
  ctx_.outside.meters.add(meter::bad_frames);
  born();
  if (alive()) {
    kill(cause::spoke_nonsense, error{errc::engine_protocol, e.why.text});
  }
}

void gpu_worker::on(const engine_exited& e) {
  exited_ = true;
  ctx_.outside.log.info("engine_exited", {{"worker", terms_.worker}, {"how", e.text}});
  if (alive()) {
    from_outside_ = killed_from_outside(e);
    const auto text = from_outside_ ? e.text + ", from outside" : e.text;
    leave(cause::crashed, error{e.started ? errc::engine_crash : errc::engine_start, text});
  }
  quit(to_reason(how_it_ended()));
}

void gpu_worker::said(const protocol::hello& m) {
  const auto* const kind = find_engine(terms_.engine);
  const std::uint32_t capacity_most = kind == nullptr ? 0 : kind->capacity_most;
  if (state_.state() != engine_state::INITIALIZING || m.capacity == 0 ||
      m.capacity > capacity_most || m.batch_max == 0 || m.batch_max > m.capacity) {
    kill(cause::spoke_nonsense, error{errc::engine_protocol, "an unexpected hello"});
    return;
  }
  facts_.capacity = m.capacity;
  facts_.model_kinds = kind->entry_kinds();
  facts_.batch_max = m.batch_max;
  facts_.continuous = m.continuous;
  batches_ = m.batch_max > 1;
  facts_.steps = m.steps;
  facts_.device = kind_of_device(m.device);
  status_.device = m.device;
  facts_.memory_bytes = m.memory_bytes;
  ctx_.outside.log.info("engine_hello",
                        {{"worker", terms_.worker}, {"engine", m.engine}, {"device", m.device}});
  const auto beat = static_cast<std::uint32_t>(ctx_.knobs.engine_heartbeat.count());
  ctx_.outside.engines.send(terms_.worker, protocol::welcome{beat});
  move_to(engine_state::LOADING_MODEL, cause::said_hello);
  become(loading());
  state_ticket_ = arm(ctx_.knobs.engine_load_timeout, state_budget);
  arm(ctx_.knobs.engine_heartbeat, heartbeat_check);
  ask_for_model();
}

void gpu_worker::ask_for_model() {
  request(terms_.directory.loader, caf::infinite,
          want_model{terms_.worker, terms_.model, terms_.engine})
      .then([this](const model_granted& m) { granted(m); },
            [](const caf::error&) {
            }); // the loader was restarted: the new directory makes us ask again
}

void gpu_worker::granted(const model_granted& m) {
  if (state_.state() == engine_state::LOADING_MODEL && !load_sent_) {
    load_sent_ = true;
    model_ = m.load.model;
    status_.model = model_;
    report_status();
    ctx_.outside.engines.send(terms_.worker, m.load);
  }
}

void gpu_worker::said(const protocol::heartbeat& m) {
  if (terms_.directory.health) {
    send(terms_.directory.health, engine_beat{terms_.worker, m});
  }
  report_status();
}

void gpu_worker::said(const protocol::load_finished& m) {
  if (state_.state() != engine_state::LOADING_MODEL) {
    kill(cause::spoke_nonsense, error{errc::engine_protocol, "an unexpected load_finished"});
    return;
  }
  if (!m.ok) {
    shut_down(cause::load_failed, error{errc_from(m.code).value_or(errc::model_invalid), m.text});
    return;
  }
  ++state_ticket_; // the budget of LOADING_MODEL is over
  if (m.batch_max != 0) {
    facts_.batch_max = std::min(facts_.batch_max, m.batch_max);
  }
  if (batches_ && !facts_.continuous) {
    facts_.capacity = facts_.batch_max; // one run at a time
  }
  facts_.model = model_;
  facts_.can_change = !model_.empty();
  move_to(engine_state::READY, cause::warmed_up);
  become(serving());
  send(terms_.directory.loader, model_loaded{terms_.worker, m.model, m.load_ms + m.warm_up_ms});
  offer();
}

void gpu_worker::said(const protocol::log& m) {
  const log_field fields[] = {{"worker", terms_.worker}, {"job", m.attempt.job}, {"text", m.text}};
  if (ctx_.outside.log.enabled(level_of(m.level))) {
    ctx_.outside.log.write(level_of(m.level), engine_says, fields);
  }
}

void gpu_worker::said(const protocol::drained&) {} // the queue, not the engine, drains a pod

template <class About>
void gpu_worker::report_attempt(const About& m) {
  if (!alive() || !running_.contains(m.attempt)) {
    ctx_.outside.meters.add(meter::reports_fenced);
    return;
  }
  send(terms_.directory.queue, attempt_reported{terms_.worker, m});
  if constexpr (std::is_same_v<About, protocol::finished>) {
    running_.erase(m.attempt);
    revoked_.erase(m.attempt);
    status_.completed += m.how == protocol::outcome::completed ? 1 : 0;
    refresh_ = refresh_ || m.refresh_worker;
    settle();
  }
}

void gpu_worker::settle() {
  if (!running_.empty()) {
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
  status_.running = static_cast<std::uint32_t>(running_.size());
  if (terms_.directory.supervisor) {
    send(terms_.directory.supervisor, status_);
  }
}

// ---- what other actors say -------------------------------------------------------------------

void gpu_worker::offer() {
  if (draining_) {
    return;
  }
  offered_ = true;
  send(terms_.directory.queue, worker_ready{terms_.worker, facts_});
}

void gpu_worker::assigned(const assign_attempts& m) {
  if (m.worker != terms_.worker) {
    return;
  }
  for (auto body : m.bodies) {
    given_lately_ = true;
    running_.insert(body.attempt);
    if (running_.size() == 1) {
      move_to(engine_state::PROCESSING, cause::jobs_started);
      report_status();
    }
    body.model = model_;
    ctx_.outside.engines.send(terms_.worker, std::move(body));
  }
}

void gpu_worker::revoked(const revoke_attempt& m) {
  if (m.worker == terms_.worker && running_.contains(m.attempt) && !revoked_.contains(m.attempt)) {
    ctx_.outside.engines.send(terms_.worker, protocol::cancel{m.attempt});
    revoked_[m.attempt] = arm(ctx_.knobs.engine_cancel_grace, cancel_grace);
  }
}

/// Another model is loaded by another process, so that the device's memory is truly free again.
void gpu_worker::change(const change_worker_model& m) {
  if (m.worker != terms_.worker || m.model == model_) {
    return;
  }
  status_.next_model = m.model;
  refresh_ = true;
  report_status();
  if (running_.empty()) {
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
  send(terms_.directory.queue, drain_worker{terms_.worker});
  drain_ticket_ = arm(ctx_.knobs.engine_heartbeat, drain_check);
}

/// Attempts decided by the queue before the drain may still be in flight (its store commits first),
/// so the engine is idle only when nothing has arrived for a while.
void gpu_worker::check_drain() {
  if (!draining_ || !alive()) {
    return;
  }
  if (running_.empty() && !std::exchange(given_lately_, false)) {
    send(terms_.directory.supervisor, worker_drained{terms_.worker});
    return;
  }
  drain_ticket_ = arm(ctx_.knobs.engine_heartbeat, drain_check);
}

void gpu_worker::on_directory(const actor_directory& m) {
  const bool new_queue = m.queue != terms_.directory.queue;
  const bool new_loader = m.loader != terms_.directory.loader;
  terms_.directory = m;
  if (new_loader && state_.state() == engine_state::LOADING_MODEL && !load_sent_) {
    ask_for_model();
  }
  if (!new_queue || (!offered_ && running_.empty())) {
    return;
  }
  // The new queue counts our attempts as lost: stop them, then offer ourselves again.
  offered_ = false;
  const auto running = running_;
  for (const auto& attempt : running) {
    revoked(revoke_attempt{terms_.worker, attempt});
  }
  if (running.empty()) {
    offer();
  }
}

void gpu_worker::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case state_budget:
    if (m.ticket == state_ticket_ && alive()) {
      kill(cause::state_timeout,
           error{errc::state_timeout, std::string{to_string(state_.state())}});
    }
    break;
  case heartbeat_check: check_heartbeat(); break;
  case cancel_grace:
    for (const auto& [attempt, ticket] : revoked_) {
      if (ticket == m.ticket && alive()) {
        kill(cause::hung, error{errc::engine_hang, "a cancelled attempt did not end in time"});
        break;
      }
    }
    break;
  case stop_step: step_down(); break;
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
  // Counted in checks, not in time: frames that wait in this mailbox are read before the next
  // check, however slowly this pod runs.
  misses_ = std::exchange(heard_, false) ? 0 : misses_ + 1;
  if (misses_ > ctx_.knobs.engine_heartbeat_misses) {
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
