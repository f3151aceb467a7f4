#include "actors/queue.hpp"

namespace tayfa {

job_limits limits_from(const config& c) {
  job_limits l;
  l.queue_max = c.queue_max;
  l.live_bytes_max = c.queue_bytes_max;
  l.kept_bytes_max = c.queue_keep_bytes;
  l.kept_jobs_max = c.queue_keep_jobs;
  l.max_attempts = c.queue_max_attempts;
  l.execution_timeout = c.queue_execution_timeout;
  l.ttl = c.queue_ttl;
  l.keep_async = c.queue_keep_async;
  l.keep_sync = c.queue_keep_sync;
  return l;
}

queue::queue(caf::actor_config& cfg, pod_context ctx, std::shared_ptr<job_table> table)
    : queue_actor::base(cfg), ctx_(ctx), table_(std::move(table)) {
  guard(this, ctx_.outside.log);
}

queue::behavior_type queue::make_behavior() {
  // A table that is not empty belonged to an earlier queue: what it had given out is void.
  apply(table_->lose_all_workers(now(), error{errc::unavailable, "the queue was restarted"}));
  after();
  return waiting();
}

void queue::on_exit() {
  crew_ = crew{};
  workers_.clear();
}

queue::behavior_type queue::waiting() {
  return {[this](const submit_job& m) { return submit(m); },
          [this](const find_job& m) { return find(m); },
          [this](const cancel_job& m) { return cancel(m); },
          [this](const read_job_stream& m) { return read(m); },
          [this](const count_jobs&) { return counts_answer{table_->counts()}; },
          postpone<worker_ready>(),
          [this](const worker_said& m) { said(m); },
          [this](const worker_gone& m) { gone(m); },
          [this](const pod_moved& m) { pod(m); },
          [this](const drain_queue&) { drain(); },
          ignore<hand_back_jobs>(),
          [this](const crew& m) { met(m); },
          [this](const timer& m) { deadline(m); },
          present()};
}

queue::behavior_type queue::serving() {
  return {[this](const submit_job& m) { return submit(m); },
          [this](const find_job& m) { return find(m); },
          [this](const cancel_job& m) { return cancel(m); },
          [this](const read_job_stream& m) { return read(m); },
          [this](const count_jobs&) { return counts_answer{table_->counts()}; },
          [this](const worker_ready& m) { joined(m); },
          [this](const worker_said& m) { said(m); },
          [this](const worker_gone& m) { gone(m); },
          [this](const pod_moved& m) { pod(m); },
          [this](const drain_queue&) { drain(); },
          ignore<hand_back_jobs>(),
          [this](const crew& m) { met(m); },
          [this](const timer& m) { deadline(m); },
          present()};
}

queue::behavior_type queue::draining() {
  return {[this](const submit_job& m) { return submit(m); }, // refused by the table: stopping
          [this](const find_job& m) { return find(m); },
          [this](const cancel_job& m) { return cancel(m); },
          [this](const read_job_stream& m) { return read(m); },
          [this](const count_jobs&) { return counts_answer{table_->counts()}; },
          ignore<worker_ready>(),
          [this](const worker_said& m) { said(m); },
          [this](const worker_gone& m) { gone(m); },
          ignore<pod_moved>(),
          ignore<drain_queue>(),
          [this](const hand_back_jobs&) {
            apply(table_->hand_back(now()));
            after();
          },
          [this](const crew& m) { met(m); },
          [this](const timer& m) { deadline(m); },
          present()};
}

// ---- clients -----------------------------------------------------------------------------------

submit_answer queue::submit(const submit_job& m) {
  auto answer = table_->submit(now(), m.id, m.request, m.watch);
  if (!answer) {
    ctx_.outside.meters.add(meter::jobs_refused);
    return {fail(answer.error())};
  }
  ctx_.outside.meters.add(meter::jobs_accepted);
  ctx_.outside.log.info("job_accepted", {{"job", m.id}, {"bytes", m.request.input.size()}});
  apply(*answer);
  after();
  return {m.id};
}

job_answer queue::find(const find_job& m) {
  return {table_->find(now(), m.id)};
}

job_answer queue::cancel(const cancel_job& m) {
  auto answer = table_->cancel(now(), m.id);
  if (!answer) {
    return {fail(answer.error())};
  }
  apply(answer->second);
  after();
  return {std::move(answer->first)};
}

stream_answer queue::read(const read_job_stream& m) {
  return {table_->read_stream(now(), m.id)};
}

// ---- workers -----------------------------------------------------------------------------------

void queue::joined(const worker_ready& m) {
  workers_[m.worker.slot] = {m.worker.incarnation,
                             caf::actor_cast<gpu_worker_actor>(current_sender())};
  apply(table_->worker_joined(now(), m.worker, m.capacity));
  after();
}

void queue::said(const worker_said& m) {
  const auto report = std::visit(
      [&]<class Body>(const Body& body) -> job_table::report_result {
        if constexpr (std::is_same_v<Body, protocol::started>) {
          return table_->started(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::progress>) {
          return table_->progressed(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::partial>) {
          return table_->streamed(now(), m.worker, body);
        } else if constexpr (std::is_same_v<Body, protocol::finished>) {
          if (body.refresh_worker) {
            apply(table_->worker_draining(now(), m.worker)); // its process is about to end
          }
          return table_->finished(now(), m.worker, body);
        } else {
          return {true, {}}; // about the engine, not about an attempt: the worker keeps it
        }
      },
      m.body);
  if (!report.current) {
    ctx_.outside.meters.add(meter::reports_fenced);
    ctx_.outside.log.debug("report_fenced", {{"worker", m.worker}});
  }
  apply(report.consequences);
  after();
}

void queue::gone(const worker_gone& m) {
  const auto it = workers_.find(m.worker.slot);
  if (it == workers_.end() || it->second.incarnation != m.worker.incarnation) {
    return; // an older life of the slot
  }
  workers_.erase(it);
  apply(table_->worker_lost(now(), m.worker.slot, m.why));
  after();
}

// ---- the pod -----------------------------------------------------------------------------------

void queue::pod(const pod_moved& m) {
  const bool may_serve = m.state == pod_state::READY || m.state == pod_state::RUNNING;
  if (may_serve && !std::exchange(serves_, true)) {
    become(serving());
  }
}

void queue::drain() {
  is_draining_ = true;
  table_->stop_taking();
  become(draining());
  after();
}

void queue::met(const crew& m) {
  crew_ = m;
  load_told_ = false; // whoever is new must hear it once
  tell_load();
}

void queue::deadline(const timer& m) {
  if (m.ticket != ticket_) {
    return;
  }
  armed_for_.reset();
  apply(table_->expire(now()));
  after();
}

// ---- effects -----------------------------------------------------------------------------------

void queue::apply(const effects& consequences) {
  for (const auto& e : consequences) {
    std::visit([this](const auto& one) { apply_one(one); }, e);
  }
}

void queue::apply_one(const give& g) {
  ctx_.outside.meters.add(meter::attempts_started);
  const auto it = workers_.find(g.worker.slot);
  if (it != workers_.end() && it->second.incarnation == g.worker.incarnation) {
    send(it->second.handle, assign_attempt{g.worker, g.message});
  }
}

void queue::apply_one(const revoke& r) {
  const auto it = workers_.find(r.worker.slot);
  if (it != workers_.end() && it->second.incarnation == r.worker.incarnation) {
    send(it->second.handle, revoke_attempt{r.worker, r.attempt});
  }
}

void queue::apply_one(const moved& m) {
  auto& w = ctx_.outside;
  w.meters.moved(m.from, m.view.state, m.why);
  w.log.info("state", {{"machine", "job"},
                       {"job", m.view.id},
                       {"from", m.from},
                       {"to", m.view.state},
                       {"cause", m.why},
                       {"attempt", m.view.attempts},
                       {"worker", m.view.worker}});
  const auto seconds = [](milliseconds ms) { return static_cast<double>(ms.count()) / 1000.0; };
  switch (m.view.state) {
  case job_state::IN_QUEUE: w.meters.add(meter::attempts_lost); break;
  case job_state::IN_PROGRESS:
    if (m.view.delay && m.view.attempts == 1) {
      w.meters.observe(meter::queue_delay_seconds, seconds(*m.view.delay));
    }
    break;
  case job_state::COMPLETED: w.meters.add(meter::jobs_completed); break;
  case job_state::FAILED: w.meters.add(meter::jobs_failed); break;
  case job_state::CANCELLED: w.meters.add(meter::jobs_cancelled); break;
  case job_state::TIMED_OUT: w.meters.add(meter::jobs_timed_out); break;
  }
  if (!is_final(m.view.state)) {
    return;
  }
  if (m.view.execution) {
    w.meters.observe(meter::execution_seconds, seconds(*m.view.execution));
  }
  if (m.watched && crew_.ingress) {
    send(crew_.ingress, job_ended{m.view});
  }
}

void queue::after() {
  tell_load();
  arm();
  if (is_draining_ && !drained_told_ && table_->running() == 0 && crew_.supervisor) {
    drained_told_ = true;
    send(crew_.supervisor, queue_drained{});
  }
}

void queue::tell_load() {
  const auto counts = table_->counts();
  ctx_.outside.meters.set(meter::jobs_in_queue, static_cast<double>(counts.in_queue));
  ctx_.outside.meters.set(meter::jobs_in_progress, static_cast<double>(counts.in_progress));
  const load_changed next{counts.in_queue > 0, table_->running() > 0};
  const bool same = next.waiting == load_.waiting && next.running == load_.running;
  if (!crew_.supervisor || (load_told_ && same)) {
    return;
  }
  load_ = next;
  load_told_ = true;
  send(crew_.supervisor, next);
  send(crew_.ingress, next);
}

void queue::arm() {
  const auto next = table_->next_deadline();
  if (!next || (armed_for_ && *armed_for_ <= *next)) {
    return;
  }
  armed_for_ = next;
  send_timer_at(this, now(), *next, ++ticket_);
}

} // namespace tayfa
