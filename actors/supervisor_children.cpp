// The supervisor's children: which there are, under which policy, and how each is started.
#include "actors/health.hpp"
#include "actors/supervisor.hpp"

#include <algorithm>

namespace tayfa {

namespace {

enum core_child : std::size_t { queue_child, loader_child, health_child, ingress_child };

child_keeper::end judge_core(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown ? child_keeper::end::normal
                                                              : child_keeper::end::failed;
}

child_keeper::end judge_worker(const caf::error& reason) {
  switch (worker_end_from(reason)) {
  case worker_end::as_asked: return child_keeper::end::normal;
  case worker_end::refresh: return child_keeper::end::refresh;
  case worker_end::in_job: return child_keeper::end::excused;
  case worker_end::failed: return child_keeper::end::failed;
  }
  return child_keeper::end::failed;
}

} // namespace

void supervisor::make_core() {
  crew_.supervisor = caf::actor_cast<supervisor_actor>(this);
  using supervision::child_spec;
  using supervision::restart;
  supervision::policy policy;
  policy.how = supervision::strategy::rest_for_one;
  core_ = std::make_unique<child_keeper>(
      this, ctx_, policy,
      std::vector<child_spec>{{"queue", restart::permanent},
                              {"model_loader", restart::permanent},
                              {"health", restart::permanent},
                              {"ingress", restart::permanent}},
      child_keeper::hooks{[this](std::size_t i) { return start_core(i); },
                          [this](std::chrono::milliseconds after, std::uint64_t ticket) {
                            send_timer(this, after, ticket, core_alarm);
                          },
                          [this] { introduce(); },
                          [this](std::size_t, const error& why) {
                            core_lost_ = true;
                            fail(cause::part_failed, why);
                          },
                          [this] {
                            ctx_.outside.http.close([me = caf::actor_cast<supervisor_actor>(this)] {
                              caf::anon_send(me, http_closed{});
                            });
                          }},
      judge_core);
}

caf::strong_actor_ptr supervisor::start_core(std::size_t i) {
  switch (static_cast<core_child>(i)) {
  case queue_child: crew_.queue = spawn<queue>(ctx_, terms_.books); break;
  case loader_child: crew_.loader = spawn<model_loader>(ctx_); break;
  case health_child: crew_.health = spawn<health>(ctx_); break;
  case ingress_child: crew_.ingress = spawn<runpod_ingress>(ctx_); break;
  }
  const caf::strong_actor_ptr children[] = {caf::actor_cast<caf::strong_actor_ptr>(crew_.queue),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.loader),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.health),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.ingress)};
  announce(children[i]);
  return children[i];
}

void supervisor::make_slot(std::size_t i) {
  const auto& k = ctx_.knobs;
  supervision::policy policy;
  policy.intensity = k.engine_restart_intensity;
  policy.period = k.engine_restart_period;
  policy.backoff_base = k.engine_backoff_base;
  policy.backoff_max = k.engine_backoff_max;
  policy.healthy_after = k.engine_healthy_after;
  // Room for shutdown, SIGTERM and SIGKILL, each with its grace, before the keeper itself is
  // killed.
  const auto patience = k.engine_stop_grace * 3 + std::chrono::milliseconds{1'000};
  slots_[i].keeper = std::make_unique<child_keeper>(
      this, ctx_, policy,
      std::vector<supervision::child_spec>{
          {"gpu_worker/" + std::to_string(i), supervision::restart::permanent, patience}},
      child_keeper::hooks{[this, i](std::size_t) { return start_worker(i); },
                          [this, i](std::chrono::milliseconds after, std::uint64_t ticket) {
                            send_timer(this, after, ticket,
                                       slot_alarm | static_cast<std::uint32_t>(i << 8));
                          },
                          [] {}, [this, i](std::size_t, const error& why) { slot_gave_up(i, why); },
                          [this, i] {
                            slots_[i].stopped = true;
                            workers_stopped();
                          }},
      judge_worker);
}

caf::strong_actor_ptr supervisor::start_worker(std::size_t i) {
  auto& s = slots_[i];
  if (++s.incarnation > 1) {
    ctx_.outside.meters.add(meter::engine_restarts);
  }
  s.state = engine_state::NOT_STARTED;
  const worker_ref who{slot_id{static_cast<std::uint32_t>(i)}, s.incarnation};
  s.worker = spawn<gpu_worker>(ctx_, worker_terms{who, terms_.engine, crew_});
  const auto child = caf::actor_cast<caf::strong_actor_ptr>(s.worker);
  announce(child);
  return child;
}

void supervisor::announce(const caf::strong_actor_ptr& child) const {
  if (terms_.born) {
    terms_.born(child);
  }
}

void supervisor::slot_gave_up(std::size_t i, const error& why) {
  auto& s = slots_[i];
  s.given_up = true;
  ctx_.outside.log.error("slot_given_up", {{"slot", i}, {"text", why.text}});
  if (std::all_of(slots_.begin(), slots_.end(), [](const slot& x) { return x.given_up; })) {
    fail(cause::part_failed, error{errc::engine_start, "every slot was given up: " + why.text});
  } else if (state_.state() == pod_state::LAUNCHING) {
    maybe_ready();
  }
}

} // namespace tayfa
