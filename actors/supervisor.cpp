#include "actors/supervisor.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Loading again would end the same way: the pod must not loop.
bool is_final_load_error(errc e) {
  return e == errc::model_invalid || e == errc::no_torch || e == errc::unfit || e == errc::gpu_oom;
}

template <class Message>
auto not_now() {
  return [](const Message&) { return slots_answer{tayfa::fail(errc::not_ready)}; };
}

} // namespace

supervisor::supervisor(caf::actor_config& cfg, pod_context ctx, pod_terms terms)
    : supervisor_actor::base(cfg), ctx_(ctx), terms_(std::move(terms)),
      since_(ctx_.outside.time.now()), stop_since_(since_), slots_(terms_.engines) {
  guard(this, ctx_.outside.log);
  set_down_handler([this](caf::down_msg& m) {
    if (core_ && core_->down(m)) {
      return;
    }
    worker_down(m);
  });
}

supervisor::behavior_type supervisor::make_behavior() {
  return created();
}

void supervisor::on_exit() {
  directory_ = actor_directory{};
  head_link_ = nullptr;
  core_.reset();
  slot_actors_.clear();
  if (stop_.state() != stop_state::DONE) {
    terms_.stopped(pod_exit{70, "the supervisor itself failed", false});
  }
}

// ---- behaviours --------------------------------------------------------------------------------

auto supervisor::common() {
  return std::tuple{ignore<start_pod>(),
                    [this](const stop_pod& m) { stop(m); },
                    ignore<http_bound>(),
                    ignore<http_closed>(),
                    ignore<machine_checked>(),
                    ignore<catalogue_checked>(),
                    [this](const engine_moved& m) { engine(m); },
                    [this](const load_changed& m) { load(m); },
                    ignore<queue_drained>(),
                    ignore<origin_drained>(),
                    [this](const part_stuck& m) { core_->replace(m.name); },
                    ignore<store_opened>(),
                    ignore<store_closed>(),
                    [this](const store_failed& m) { fail(cause::part_failed, m.why); },
                    [this](const link_failed& m) { fail(cause::part_failed, m.why); },
                    [this](const slot_status& m) { slots_.status(m); },
                    ignore<worker_drained>(),
                    [this](const list_slots&) { return slots_answer{slots_.summaries()}; },
                    not_now<drain_slot>(),
                    not_now<resize_slots>(),
                    when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); })};
}

supervisor::behavior_type supervisor::created() {
  return state_of<behavior_type>(
      common(), [this](const start_pod&) { begin_starting(); },
      postponed<http_bound, machine_checked, catalogue_checked, engine_moved, load_changed,
                store_opened>(),
      ignored<part_stuck, store_failed, link_failed, slot_status>());
}

supervisor::behavior_type supervisor::starting() {
  return state_of<behavior_type>(
      common(), [this](const http_bound& m) { bound(m); },
      [this](const store_opened& m) { opened(m); },
      postponed<machine_checked, catalogue_checked, engine_moved, load_changed>(),
      ignored<slot_status>());
}

supervisor::behavior_type supervisor::configuring() {
  return state_of<behavior_type>(
      common(), [this](const machine_checked& m) { checked(m); },
      [this](const catalogue_checked& m) { checked(m); }, postponed<engine_moved, load_changed>(),
      ignored<slot_status>());
}

supervisor::behavior_type supervisor::launching() {
  return state_of<behavior_type>(common(), postponed<load_changed>());
}

supervisor::behavior_type supervisor::ready() {
  return state_of<behavior_type>(
      common(), [this](const worker_drained& m) { execute(slots_.drained(m)); },
      [this](const drain_slot& m) { return drain(m); },
      [this](const resize_slots& m) { return resize(m); });
}

supervisor::behavior_type supervisor::stopping() {
  return state_of<behavior_type>(
      common(), [this](const http_closed&) { enter(stop_state::CLOSING_STORE, cause::closed); },
      [this](const queue_drained& m) { on(m); }, [this](const origin_drained& m) { on(m); },
      [this](const part_stuck& m) {
        if (core_ && core_serves()) {
          core_->replace(m.name);
        }
      },
      [this](const store_closed&) { finish(); }, ignored<store_failed, link_failed>());
}

// ---- STARTING ----------------------------------------------------------------------------------

void supervisor::begin_starting() {
  move_to(pod_state::STARTING, cause::start_requested, ctx_.knobs.pod_starting_budget);
  become(starting());
  if (terms_.link) {
    begin_core(); // its jobs are in the head's store
    return;
  }
  ctx_.outside.store.open(
      [me = caf::actor_cast<supervisor_actor>(this)](result<job_store::recovered> what) {
        caf::anon_send(me, store_opened{std::move(what)});
      });
}

/// Clients are served only once the jobs accepted by earlier processes are restored.
void supervisor::opened(const store_opened& m) {
  if (!m.what) {
    fail(cause::part_failed, m.what.error());
    return;
  }
  store_open_ = true;
  const auto jobs = m.what->rows.size();
  for (const auto& row : m.what->rows) {
    if (row.damaged) {
      ctx_.outside.log.error("job_damaged", {{"job", row.id}, {"code", errc::store_corrupt}});
    }
  }
  const auto counts = restore(*terms_.queue, ctx_.outside.time.now(), *m.what);
  ctx_.outside.log.info("store_opened", {{"jobs", jobs},
                                         {"waiting", counts.in_queue},
                                         {"ended", counts.kept},
                                         {"dead", counts.dead}});
  begin_core();
}

void supervisor::begin_core() {
  make_core();
  core_->start();
  ctx_.outside.http.open(sink(), [me = directory_.supervisor](result<std::string> address) {
    caf::anon_send(me, http_bound{std::move(address)});
  });
}

void supervisor::bound(const http_bound& m) {
  if (!m.address) {
    fail(cause::part_failed, m.address.error());
    return;
  }
  http_open_ = true;
  ctx_.outside.log.info("listening", {{"address", *m.address}});
  begin_configuring();
}

// ---- CONFIGURING -------------------------------------------------------------------------------

void supervisor::begin_configuring() {
  move_to(pod_state::CONFIGURING, cause::parts_started, ctx_.knobs.pod_configuring_budget);
  become(configuring());
  send(directory_.loader, check_catalogue{});
  if (ctx_.knobs.engine_slots == 0) {
    checked(machine_checked{}); // no engine of our own: nothing to be fit for
    return;
  }
  const auto kinds = terms_.engines.kinds();
  checks_left_ = kinds.size();
  for (const auto& kind : kinds) {
    ctx_.outside.probe.run(std::string{kind.name},
                           [me = directory_.supervisor](fitness_report report) {
                             caf::anon_send(me, machine_checked{std::move(report)});
                           });
  }
}

/// Each kind of engine reports once; the worst verdict counts.
void supervisor::checked(const machine_checked& m) {
  fitness_ = fitness_ ? std::max(*fitness_, m.report.verdict) : m.report.verdict;
  checks_left_ -= std::min<std::size_t>(checks_left_, 1);
  for (const auto& row : m.report.rows) {
    const log_field fields[] = {{"check", row.name},
                                {"verdict", to_string(row.verdict)},
                                {"value", row.value},
                                {"advice", row.advice}};
    ctx_.outside.log.write(row.verdict == fitness::fit ? log_level::info : log_level::warn,
                           "machine", fields);
  }
  maybe_launch();
}

void supervisor::checked(const catalogue_checked& m) {
  if (!m.models) {
    fail(cause::part_failed, m.models.error());
    return;
  }
  models_ = *m.models;
  maybe_launch();
}

void supervisor::maybe_launch() {
  if (!fitness_ || checks_left_ > 0 || !models_) {
    return;
  }
  if (*fitness_ == fitness::unfit && ctx_.knobs.engine_on_unfit == "stop") {
    fail(cause::unfit, error{errc::unfit, "see the machine lines above, or run: tayfa check"});
    return;
  }
  begin_launching();
}

// ---- LAUNCHING, READY, RUNNING -----------------------------------------------------------------

void supervisor::begin_launching() {
  move_to(pod_state::LAUNCHING, cause::configured, ctx_.knobs.pod_launching_budget);
  become(launching());
  execute(slots_.launch(ctx_.knobs.engine_slots));
  ctx_.outside.meters.set(meter::slots, slots_.count());
  maybe_ready();
}

void supervisor::engine(const engine_moved& m) {
  if (!slots_.is_present(m.worker)) {
    return;
  }
  execute(slots_.engine(m));
  const bool launching_now = state_.state() == pod_state::LAUNCHING;
  if (launching_now && m.why == cause::load_failed && is_final_load_error(m.reason.code)) {
    fail(cause::part_failed, m.reason);
    return;
  }
  if (launching_now) {
    maybe_ready();
  }
  refresh_ready();
}

void supervisor::maybe_ready() {
  if (slots_.launched()) {
    move_to(pod_state::READY, cause::engines_ready);
    become(ready());
    refresh_ready();
  }
}

bool supervisor::serving() const {
  const auto pod = state_.state();
  return (pod == pod_state::READY || pod == pod_state::RUNNING) && slots_.serving();
}

void supervisor::refresh_ready() {
  if (const bool now = serving(); now != ready_) {
    ready_ = now;
    broadcast();
  }
}

void supervisor::load(const load_changed& m) {
  undelivered_ = m.undelivered;
  if (state_.state() == pod_state::STOPPING) {
    load_changed_while_stopping();
  } else if (m.running && state_.state() == pod_state::READY) {
    move_to(pod_state::RUNNING, cause::jobs_started);
  } else if (!m.running && state_.state() == pod_state::RUNNING) {
    move_to(pod_state::READY, cause::jobs_done);
  }
}

void supervisor::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case state_budget:
    if (m.ticket != budget_ticket_) {
      break;
    }
    if (state_.state() == pod_state::STOPPING) {
      force(cause::deadline);
    } else {
      fail(cause::state_timeout,
           error{errc::state_timeout, std::string{to_string(state_.state())}});
    }
    break;
  case drain_budget: drain_budget_over(); break;
  case drain_end:
    if (drains()) {
      enter(stop_state::STOPPING_WORKERS, cause::state_timeout);
    }
    break;
  case core_alarm:
    if (core_) {
      core_->timed(m.ticket);
    }
    break;
  case slot_alarm: slot_timed(m.ticket); break;
  }
}

} // namespace tayfa
