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
      since_(ctx_.outside.time.now()) {
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
  core_.reset();
  slots_.clear();
  if (!std::exchange(told_, true)) {
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
                    [this](const slot_status& m) { on(m); },
                    ignore<worker_drained>(),
                    [this](const list_slots&) { return slots(); },
                    not_now<drain_slot>(),
                    not_now<resize_slots>(),
                    when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); })};
}

supervisor::behavior_type supervisor::created() {
  return state_of<behavior_type>(
      common(), [this](const start_pod&) { begin_starting(); },
      postponed<http_bound, machine_checked, catalogue_checked, engine_moved, load_changed,
                store_opened>(),
      ignored<part_stuck, store_failed, slot_status>());
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
      common(), [this](const worker_drained& m) { on(m); },
      [this](const drain_slot& m) { return drain(m); },
      [this](const resize_slots& m) { return resize(m); });
}

supervisor::behavior_type supervisor::stopping() {
  return state_of<behavior_type>(
      common(), [this](const http_closed&) { close_store(); },
      [this](const queue_drained&) { end_drain(); },
      [this](const origin_drained&) {
        origin_drained_ = true;
        drain_queue_when_all_is_delivered();
      },
      [this](const part_stuck& m) {
        if (core_ && !core_stopping_) {
          core_->replace(m.name);
        }
      },
      [this](const store_opened& m) { store_open_ = m.what.has_value(); },
      [this](const store_closed&) { finish(); }, ignored<store_failed>());
}

// ---- STARTING ----------------------------------------------------------------------------------

void supervisor::begin_starting() {
  move_to(pod_state::STARTING, cause::start_requested, ctx_.knobs.pod_starting_budget);
  become(starting());
  ctx_.outside.store.open(
      [me = caf::actor_cast<supervisor_actor>(this)](result<job_store::recovered> what) {
        caf::anon_send(me, store_opened{std::move(what)});
      });
}

/// Nobody is heard before what earlier processes accepted is here again.
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
  terms_.books->left =
      terms_.books->table.restore(ctx_.outside.time.now(), m.what->rows, m.what->last_order);
  const auto counts = terms_.books->table.counts();
  ctx_.outside.log.info("store_opened", {{"jobs", jobs},
                                         {"waiting", counts.in_queue},
                                         {"ended", counts.kept},
                                         {"dead", counts.dead}});
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
  ctx_.outside.probe.run(terms_.engine, [me = directory_.supervisor](fitness_report report) {
    caf::anon_send(me, machine_checked{std::move(report)});
  });
}

void supervisor::checked(const machine_checked& m) {
  fitness_ = m.report;
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
  if (!fitness_ || !models_) {
    return;
  }
  if (fitness_->verdict == fitness::unfit && ctx_.knobs.engine_on_unfit == "stop") {
    fail(cause::unfit, error{errc::unfit, "see the machine lines above, or run: tayfa check"});
    return;
  }
  begin_launching();
}

// ---- LAUNCHING, READY, RUNNING -----------------------------------------------------------------

void supervisor::begin_launching() {
  move_to(pod_state::LAUNCHING, cause::configured, ctx_.knobs.pod_launching_budget);
  become(launching());
  slots_.resize(ctx_.knobs.engine_slots);
  share_cpus();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    start_slot(i);
  }
  ctx_.outside.meters.set(meter::slots, slot_count());
  maybe_ready();
}

void supervisor::engine(const engine_moved& m) {
  auto& s = slots_.at(m.worker.slot.value);
  if (m.worker.incarnation != s.incarnation) {
    return;
  }
  s.state = m.state;
  if (m.state == engine_state::SHUTDOWN) {
    s.load_refused = m.why == cause::load_failed;
    s.last_end = m.reason;
  }
  if (m.state == engine_state::READY) {
    s.given_up = false;
    if (s.leaving() && s.worker) {
      send(s.worker, drain_engine{m.worker, true}); // it was loading when it was asked to go
    }
  }
  const auto pod = state_.state();
  if (pod == pod_state::LAUNCHING && m.why == cause::load_failed &&
      is_final_load_error(m.reason.code)) {
    fail(cause::part_failed, m.reason);
    return;
  }
  if (pod == pod_state::LAUNCHING) {
    maybe_ready();
  }
  refresh_ready();
}

void supervisor::maybe_ready() {
  const auto launched = [](const slot& s) { return s.given_up || s.state == engine_state::READY; };
  if (!std::all_of(slots_.begin(), slots_.end(), launched)) {
    return;
  }
  move_to(pod_state::READY, cause::engines_ready);
  become(ready());
  refresh_ready();
}

bool supervisor::serving() const {
  const auto pod = state_.state();
  const auto up = [](const slot& s) { return s.works() && !s.leaving(); };
  return (pod == pod_state::READY || pod == pod_state::RUNNING) &&
         (slot_count() == 0 || std::any_of(slots_.begin(), slots_.end(), up));
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
    drain_queue_when_all_is_delivered();
    if (waits_for_posts_ && !undelivered_) {
      stop_workers();
    }
    return;
  }
  if (m.running && state_.state() == pod_state::READY) {
    move_to(pod_state::RUNNING, cause::jobs_started);
  } else if (!m.running && state_.state() == pod_state::RUNNING) {
    move_to(pod_state::READY, cause::jobs_done);
  }
}

void supervisor::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic & 0xff)) {
  case state_budget:
    if (m.ticket != budget_ticket_) {
      break;
    }
    if (state_.state() == pod_state::STOPPING) {
      force();
    } else {
      fail(cause::state_timeout,
           error{errc::state_timeout, std::string{to_string(state_.state())}});
    }
    break;
  case drain_budget:
    if (!workers_stopping_ && directory_.queue) {
      if (!std::exchange(queue_draining_, true)) {
        send(directory_.queue, drain_queue{});
      }
      send(directory_.queue, hand_back_jobs{}); // queue_drained follows, unless the queue is dying
      send_timer(this, ctx_.outside.time, undelivered_ ? delivery_patience : drain_patience, 0,
                 drain_end);
    }
    break;
  case drain_end:
  case delivery_end: stop_workers(); break;
  case core_alarm:
    if (core_) {
      core_->timed(m.ticket);
    }
    break;
  case slot_alarm:
  case slot_again: slot_timed(m); break;
  }
}

} // namespace tayfa
