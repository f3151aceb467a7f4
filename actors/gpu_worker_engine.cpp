// A gpu_worker's reactions to its engine's process: it has started, sent a frame, or ended.
#include "actors/gpu_worker.hpp"

namespace tayfa {

namespace {

log_level level_of(std::uint8_t n) {
  return n <= 3 ? static_cast<log_level>(n) : log_level::info;
}

} // namespace

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
  session_.heard();
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

void gpu_worker::on(const protocol_violation& e) {
  ctx_.outside.meters.add(meter::bad_frames);
  born();
  if (alive()) {
    kill(cause::spoke_nonsense, error{errc::engine_protocol, e.why.text});
  }
}

void gpu_worker::on(const engine_exited& e) {
  process_.exited();
  ctx_.outside.log.info("engine_exited", {{"worker", terms_.worker}, {"how", e.text}});
  if (alive()) {
    from_outside_ = killed_from_outside(e);
    const auto text = from_outside_ ? e.text + ", from outside" : e.text;
    leave(cause::crashed, error{e.started ? errc::engine_crash : errc::engine_start, text});
  }
  quit(to_reason(how_it_ended()));
}

void gpu_worker::said(const protocol::hello& m) {
  if (!session_.on_hello(m)) {
    kill(cause::spoke_nonsense, error{errc::engine_protocol, "an unexpected hello"});
    return;
  }
  status_.device = m.device;
  ctx_.outside.log.info("engine_hello",
                        {{"worker", terms_.worker}, {"engine", m.engine}, {"device", m.device}});
  const auto beat = static_cast<std::uint32_t>(ctx_.knobs.engine_heartbeat.count());
  process_.send(protocol::welcome{beat});
  move_to(engine_state::LOADING_MODEL, cause::said_hello);
  become(loading());
  process_.limit(ctx_.knobs.engine_load_timeout);
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
  if (alive() && session_.wants_model()) {
    session_.load_sent(m.load.model);
    status_.model = m.load.model;
    report_status();
    process_.send(m.load);
  }
}

void gpu_worker::said(const protocol::heartbeat& m) {
  if (terms_.directory.health) {
    send(terms_.directory.health, engine_beat{terms_.worker, m});
  }
  report_status();
}

void gpu_worker::said(const protocol::load_finished& m) {
  switch (session_.on_load_finished(m)) {
  case worker_session::load_answer::unexpected:
    kill(cause::spoke_nonsense, error{errc::engine_protocol, "an unexpected load_finished"});
    return;
  case worker_session::load_answer::failed:
    shut_down(cause::load_failed, error{errc_from(m.code).value_or(errc::model_invalid), m.text});
    return;
  case worker_session::load_answer::loaded: break;
  }
  process_.no_limit();
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

template <class About>
void gpu_worker::report_attempt(const About& m) {
  if (!alive() || !session_.holds(m.attempt)) {
    ctx_.outside.meters.add(meter::reports_fenced);
    return;
  }
  send(terms_.directory.dispatcher, attempt_reported{terms_.worker, m});
  if constexpr (std::is_same_v<About, protocol::finished>) {
    session_.finished(m.attempt);
    status_.completed += m.how == protocol::outcome::completed ? 1 : 0;
    refresh_ = refresh_ || m.refresh_worker;
    settle();
  }
}

} // namespace tayfa
