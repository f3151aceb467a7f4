#include "actors/queue.hpp"

#include <exception>
#include <new>

namespace tayfa {

std::shared_ptr<queue_state> make_queue_state(job_limits limits) {
  return std::make_shared<queue_state>(std::move(limits));
}

job_counts restore(queue_state& state, moment now, const job_store::recovered& earlier) {
  state.left = state.table.restore(now, earlier.rows, earlier.last_order);
  return state.table.counts();
}

queue_actor spawn_queue(caf::local_actor& parent, const pod_context& ctx,
                        std::shared_ptr<queue_state> state) {
  return parent.spawn<queue>(ctx, std::move(state));
}

queue_actor spawn_queue(caf::actor_system& system, const pod_context& ctx,
                        std::shared_ptr<queue_state> state) {
  return system.spawn<queue>(ctx, std::move(state));
}

queue::queue(caf::actor_config& cfg, pod_context ctx, std::shared_ptr<queue_state> state)
    : queue_actor::base(cfg), ctx_(ctx), state_(std::move(state)), table_(state_->table) {
  guard(this, ctx_.outside.log);
  // The queue must not go on with a change of the table that broke off for lack of memory: the
  // process ends, and the next one begins with what is durable.
  set_exception_handler([this](caf::scheduled_actor*, std::exception_ptr& e) -> caf::error {
    auto failed = actor_failed(name(), ctx_.outside.log, e);
    try {
      std::rethrow_exception(e);
    } catch (const std::bad_alloc&) {
      std::terminate();
    } catch (...) {
      return failed;
    }
  });
}

queue::behavior_type queue::make_behavior() {
  set_exit_handler([this](caf::exit_msg& m) { end(std::move(m.reason)); });
  // Changes in flight from an earlier queue may not be durable: they are put again, and putting a
  // row twice changes nothing. Its assignments to this pod's engines are void.
  ctx_.outside.store.on_failure([me = caf::actor_cast<queue_actor>(this)](error why) {
    caf::anon_send(me, store_replied{store_replied::failed{std::move(why)}});
  });
  table_.not_committed();
  enqueue_effects(std::exchange(state_->left, {}));
  enqueue_effects(
      table_.lose_all_workers(now(), error{errc::unavailable, "the queue was restarted"}));
  take_adopted(); // what an earlier queue did not live to hear of
  after();
  return waiting();
}

void queue::on_exit() {
  ctx_.outside.store.on_failure(nullptr);
  directory_ = actor_directory{};
  workers_.clear();
  purges_.clear();
  end_watched_.clear();
  chunks_watched_.clear();
  handing_over_.clear();
  gathering_.clear();
  in_flight_.clear();
  fetches_.clear();
  fetch_of_.clear();
  hooks_for_room_.clear();
  large_results_.clear();
}

auto queue::common() {
  return std::tuple{
      [this](const submit_job& m) { return submit(m); }, // the table refuses it while it stops
      [this](const find_job& m) { return find(m); },
      [this](const cancel_job& m) { return cancel(m); },
      [this](const read_job_stream& m) { return read(m); },
      [this](const count_jobs& m) { return counts_answer{table_.counts(m.who)}; },
      [this](const retry_job& m) { return retry(m); },
      [this](const drop_job& m) { return drop(m); },
      [this](const purge_jobs& m) { return purge(m); },
      [this](const list_jobs& m) { return list(m); },
      [this](const inspect_job& m) { return inspect(m); },
      [this](const ask_intake&) { return intake(); },
      [this](const ask_origin_jobs&) { return origin_jobs{table_.origins()}; },
      [this](const await_durable&) { return await_all(); },
      [this](const pods::reconcile_pod& m) { return reconcile(m); },
      [this](const ask_unclaimed&) {
        send(caf::actor_cast<remote_workers_actor>(current_sender()),
             unclaimed_attempts{table_.unclaimed()});
      },
      [this](const attempts_claimed& m) {
        enqueue_effects(table_.claimed(now(), m.worker, m.attempts));
        after();
      },
      [this](const chunks_received& m) {
        table_.chunks_received(m.id, m.last);
        after();
      },
      [this](const store_replied& m) { on(m); },
      [this](const webhook_answered& m) { on(m); },
      [this](const attempt_reported& m) { reported(m); },
      [this](const worker_gone& m) { gone(m); },
      [this](const actor_directory& m) { on_directory(m); },
      [this](const result_posted& m) { posted(m); },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) { deadline(m); }),
      present()};
}

auto queue::while_open() {
  return std::tuple{[this](const models_known& m) {
                      enqueue_effects(table_.models_known(now(), m.models));
                      after();
                    },
                    [this](const model_refused& m) { refused(m); },
                    [this](const pod_moved& m) { pod(m); }, [this](const drain_queue&) { drain(); },
                    ignore<hand_back_jobs>()};
}

queue::behavior_type queue::waiting() {
  return state_of<behavior_type>(
      common(), while_open(),
      [this](const worker_ready& m) -> caf::result<void> {
        if (m.facts.capacity > 0) {
          return caf::skip; // nothing runs before the pod is READY
        }
        joined(m); // what it has from before goes on
        return caf::unit;
      },
      postpone<pods::reconcile_pod>(), ignore<drain_worker>());
}

queue::behavior_type queue::serving() {
  return state_of<behavior_type>(
      common(), while_open(), [this](const worker_ready& m) { joined(m); },
      [this](const drain_worker& m) {
        enqueue_effects(table_.worker_draining(now(), m.worker));
        after();
      });
}

queue::behavior_type queue::draining() {
  return state_of<behavior_type>(
      common(),
      [this](const hand_back_jobs&) {
        enqueue_effects(table_.hand_back(now()));
        after();
      },
      [this](const worker_ready& m) { joined(m); }, // it gets nothing; results may come
      ignored<models_known, model_refused, drain_worker, pod_moved, drain_queue>());
}

/// The queue was asked to end: only the store's answers still matter.
queue::behavior_type queue::ending() {
  return state_of<behavior_type>(
      common(),
      when_due(this, ctx_.outside.time,
               [this](const due_timer& m) {
                 if (m.topic == commit_now) {
                   deadline(m);
                 }
               }),
      ignored<webhook_answered, models_known, model_refused, drain_worker, worker_ready, pod_moved,
              drain_queue, hand_back_jobs>());
}

// ---- workers -----------------------------------------------------------------------------------

void queue::joined(const worker_ready& m) {
  workers_[m.worker.place()] = {m.worker.incarnation,
                                caf::actor_cast<attempt_executor>(current_sender())};
  enqueue_effects(table_.worker_joined(now(), m.worker, m.facts, m.holds));
  after();
}

void queue::refused(const model_refused& m) {
  enqueue_effects(table_.model_refused(now(), m.model, m.why));
  after();
}

void queue::reported(const attempt_reported& m) {
  auto report = std::visit(
      [&]<class Body>(const Body& body) -> job_table::report_result {
        if constexpr (std::is_same_v<Body, protocol::started>) {
          return table_.started(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::progress>) {
          return table_.progressed(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::partial>) {
          return table_.streamed(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::stepped>) {
          return table_.renewed(now(), m.worker, body.attempt);
        } else if constexpr (std::is_same_v<Body, protocol::finished>) {
          if (body.refresh_worker) {
            enqueue_effects(table_.worker_draining(now(), m.worker)); // its process is about to end
          }
          return table_.finished(now(), m.worker, body);
        } else {
          return {true, {}}; // about the engine, not about an attempt: the worker keeps it
        }
      },
      m.body);
  if (!report.current) {
    ctx_.outside.meters.add(meter::reports_fenced);
    ctx_.outside.log.debug("report_fenced", {{"worker", m.worker}});
  }
  enqueue_effects(std::move(report.consequences));
  if (report.current) {
    notify_origin(m);
    notify_watchers(m);
  }
  after();
}

/// Forwards progress and chunks to the platform at once: they are not durable here either.
void queue::notify_origin(const attempt_reported& m) {
  const auto forward = [this](const job_id& id, const shared_text& payload, bool is_chunk) {
    if (const auto* origin = table_.origin_of(id)) {
      send(directory_.runpod, origin_progress{id, *origin, is_chunk, payload});
    }
  };
  if (!directory_.runpod) {
    return;
  }
  if (const auto* p = std::get_if<protocol::progress>(&m.body)) {
    forward(p->attempt.job, p->payload, false);
  } else if (const auto* c = std::get_if<protocol::partial>(&m.body)) {
    forward(c->attempt.job, c->payload, true);
  }
}

/// Readers that wait for a chunk are notified as soon as it arrives: chunks of a job that runs are
/// not durable anyway.
void queue::notify_watchers(const attempt_reported& m) {
  const auto* said = std::get_if<protocol::partial>(&m.body);
  if (said != nullptr && chunks_watched_.erase(said->attempt.job) > 0 && directory_.ingress) {
    send(directory_.ingress, job_streamed{said->attempt.job});
  }
}

void queue::gone(const worker_gone& m) {
  const auto it = workers_.find(m.worker.place());
  if (it == workers_.end() || it->second.incarnation != m.worker.incarnation) {
    return; // an older life of the slot
  }
  workers_.erase(it);
  enqueue_effects(table_.worker_lost(now(), m.worker.place(), m.why, m.from_outside));
  after();
}

// ---- the pod -----------------------------------------------------------------------------------

void queue::pod(const pod_moved& m) {
  const bool may_serve = m.state == pod_state::READY || m.state == pod_state::RUNNING;
  if (may_serve && !std::exchange(serves_, true)) {
    become(serving());
    look_later();
    load_sent_ = false; // attempts may have been running since before
    send_load();
  }
}

void queue::drain() {
  is_draining_ = true;
  table_.stop_taking();
  become(draining());
  after();
}

/// The next process must not do again what is settled (a result that the platform has, a job that
/// it stopped): the actor ends when all that it decided is durable. Its supervisor kills it when
/// that takes too long.
void queue::end(caf::error why) {
  end_reason_ = std::move(why);
  table_.stop_taking();
  become(ending());
  after();
}

void queue::on_directory(const actor_directory& m) {
  const bool new_runpod = m.runpod != directory_.runpod;
  directory_ = m;
  if (new_runpod) {
    enqueue_effects(table_.posts_lost(now()));
    capacity_sent_ = 0;
    after();
  }
  load_sent_ = false; // a new receiver must get the load once
  send_load();
  if (broken_ && directory_.supervisor) {
    send(directory_.supervisor, store_failed{*broken_});
  }
}

void queue::deadline(const due_timer& m) {
  if (m.topic == commit_now) {
    commit_soon_ = false;
    commit();
    after();
    return;
  }
  if (m.topic == adopt_again) {
    look_for_dead_heads();
    return;
  }
  if (m.topic == room_again) {
    waits_for_room_ = false;
    call_large_hooks();
    deliver_large();
    return;
  }
  if (m.topic == storage_again) {
    if (m.ticket == storage_ticket_) {
      commit(true);
      ask_for_space();
      after();
    }
    return;
  }
  if (m.ticket != ticket_) {
    return;
  }
  armed_for_.reset();
  enqueue_effects(table_.expire(now()));
  after();
}

// ---- after every command -----------------------------------------------------------------------

void queue::after() {
  commit_soon();
  send_load();
  arm();
  const bool stored = !committing_ && !commit_soon_ && gathering_.empty();
  if (end_reason_) {
    if (stored || stuck_ || broken_) {
      if (!stored && !broken_) {
        give_up_on_storage();
      }
      quit(*end_reason_);
    }
    return;
  }
  const bool settled = stored && fetches_.empty() && large_results_.empty() && purges_.empty();
  if (is_draining_ && !drained_sent_ && directory_.supervisor &&
      ((table_.awaited() == 0 && (settled || stuck_)) || broken_)) {
    if (!settled && !broken_) {
      give_up_on_storage();
    }
    drained_sent_ = true;
    send(directory_.supervisor, queue_drained{});
  }
}

void queue::send_load() {
  const auto counts = table_.counts();
  ctx_.outside.meters.set(meter::jobs_in_queue, static_cast<double>(counts.in_queue));
  ctx_.outside.meters.set(meter::jobs_in_progress, static_cast<double>(counts.in_progress));
  if (const auto before = std::exchange(chunks_dropped_counted_, counts.chunks_dropped);
      before != counts.chunks_dropped) {
    ctx_.outside.meters.add(meter::chunks_dropped,
                            static_cast<double>(counts.chunks_dropped - before));
  }
  const load_changed next{counts.in_queue > 0, table_.awaited() > 0, table_.undelivered() > 0};
  const bool same = next.waiting == load_.waiting && next.running == load_.running &&
                    next.undelivered == load_.undelivered;
  if (directory_.runpod) { // only the RunPod worker needs this
    const auto capacity = table_.local_capacity();
    if (capacity != std::exchange(capacity_sent_, capacity)) {
      send(directory_.runpod, slots_ready{capacity});
    }
  }
  if (!directory_.supervisor || (load_sent_ && same)) {
    return;
  }
  load_ = next;
  load_sent_ = true;
  send(directory_.supervisor, next);
  send(directory_.ingress, next);
}

void queue::arm() {
  const auto next = table_.next_deadline();
  if (!next || *next == moment::max() || (armed_for_ && *armed_for_ <= *next)) {
    return;
  }
  armed_for_ = next;
  send_timer_at(this, ctx_.outside.time, *next, ++ticket_);
}

} // namespace tayfa
