// The supervisor's children: which there are, under which policy, how each is started, and how they
// get each other's handles.
#include "actors/health.hpp"
#include "actors/supervisor.hpp"

namespace tayfa {

namespace {

enum core_child : std::size_t {
  queue_child,
  loader_child,
  health_child,
  remote_child,
  ingress_child,
  runpod_child ///< only where the pod is a worker of RunPod's platform
};

child_keeper::end judge_core(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown ? child_keeper::end::normal
                                                              : child_keeper::end::failed;
}

} // namespace

void supervisor::make_core() {
  directory_.supervisor = caf::actor_cast<supervisor_actor>(this);
  remote_registry_ = make_worker_registry(ctx_.knobs);
  using supervision::child_spec;
  using supervision::restart;
  supervision::policy policy;
  policy.how = supervision::strategy::rest_for_one;
  std::vector<child_spec> children{{"queue", restart::permanent},
                                   {"model_loader", restart::permanent},
                                   {"health", restart::permanent},
                                   {"remote_workers", restart::permanent},
                                   {"ingress", restart::permanent}};
  if (terms_.runpod) {
    children.push_back({"runpod_worker", restart::permanent});
  }
  core_ = std::make_unique<child_keeper>(
      this, ctx_, policy, std::move(children),
      child_keeper::hooks{[this](std::size_t i) { return start_core(i); },
                          [this](std::chrono::milliseconds after, std::uint64_t ticket) {
                            send_timer(this, ctx_.outside.time, after, ticket, core_alarm);
                          },
                          [this] { introduce(); },
                          [this](std::size_t, const error& why) { core_given_up(why); },
                          [this] { enter(stop_state::CLOSING_PORT, cause::all_stopped); }},
      judge_core);
}

caf::strong_actor_ptr supervisor::start_core(std::size_t i) {
  switch (static_cast<core_child>(i)) {
  case queue_child: directory_.queue = spawn_queue(*this, ctx_, terms_.queue); break;
  case loader_child: directory_.loader = spawn<model_loader>(ctx_, terms_.engines); break;
  case health_child: directory_.health = spawn<health>(ctx_); break;
  case remote_child: directory_.remote = spawn<remote_workers>(ctx_, remote_registry_); break;
  case ingress_child: directory_.ingress = spawn<runpod_ingress>(ctx_); break;
  case runpod_child: directory_.runpod = spawn<runpod_worker>(ctx_, *terms_.runpod); break;
  }
  const caf::strong_actor_ptr children[] = {
      caf::actor_cast<caf::strong_actor_ptr>(directory_.queue),
      caf::actor_cast<caf::strong_actor_ptr>(directory_.loader),
      caf::actor_cast<caf::strong_actor_ptr>(directory_.health),
      caf::actor_cast<caf::strong_actor_ptr>(directory_.remote),
      caf::actor_cast<caf::strong_actor_ptr>(directory_.ingress),
      caf::actor_cast<caf::strong_actor_ptr>(directory_.runpod)};
  announce(children[i]);
  return children[i];
}

void supervisor::announce(const caf::strong_actor_ptr& child) const {
  if (terms_.born) {
    terms_.born(child);
  }
}

// ---- who is who --------------------------------------------------------------------------------

void supervisor::introduce() {
  send(directory_.queue, directory_);
  send(directory_.loader, directory_);
  send(directory_.health, directory_);
  send(directory_.remote, directory_);
  send(directory_.ingress, directory_);
  if (directory_.runpod) {
    send(directory_.runpod, directory_);
  }
  for (const auto& each : slot_actors_) {
    if (each.worker) {
      send(each.worker, directory_);
    }
  }
  if (http_open_) {
    ctx_.outside.http.redirect(sink());
  }
  if (models_) {
    send(directory_.loader, check_catalogue{}); // a new loader must learn it again
  }
  broadcast();
  if (state_.state() == pod_state::STOPPING && drains()) {
    // Those that were asked may be gone.
    if (directory_.runpod) {
      send(directory_.runpod, drain_origin{});
    }
    if (stop_.state() >= stop_state::DRAINING_QUEUE) {
      send(directory_.queue, drain_queue{});
    }
  }
}

void supervisor::broadcast() {
  const pod_moved fact{state_.state(), ready_};
  if (directory_.queue && core_serves()) {
    send(directory_.queue, fact);
    send(directory_.health, fact);
    send(directory_.remote, fact);
    send(directory_.ingress, fact);
    if (directory_.runpod) {
      send(directory_.runpod, fact);
    }
  }
}

void supervisor::move_to(pod_state to, cause why, std::chrono::milliseconds budget) {
  if (!move(state_, to, why, ctx_.outside, since_)) {
    return;
  }
  ++budget_ticket_;
  if (budget.count() > 0) {
    send_timer(this, ctx_.outside.time, budget, budget_ticket_, state_budget);
  }
  ready_ = serving();
  broadcast();
}

/// The sink for the HTTP server's calls.
call_sink supervisor::sink() const {
  return [ingress = directory_.ingress](api::call call, reply_ptr answer) {
    caf::anon_send(ingress, client_call{std::move(call), std::move(answer)});
  };
}

} // namespace tayfa
