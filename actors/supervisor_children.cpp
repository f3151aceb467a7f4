// The supervisor's children: which there are, under which policy, how each is started, and how they
// come to know each other.
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
  crew_.supervisor = caf::actor_cast<supervisor_actor>(this);
  remote_book_ = make_worker_book(ctx_.knobs);
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
  case remote_child: crew_.remote = spawn<remote_workers>(ctx_, remote_book_); break;
  case ingress_child: crew_.ingress = spawn<runpod_ingress>(ctx_); break;
  case runpod_child: crew_.runpod = spawn<runpod_worker>(ctx_, *terms_.runpod); break;
  }
  const caf::strong_actor_ptr children[] = {caf::actor_cast<caf::strong_actor_ptr>(crew_.queue),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.loader),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.health),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.remote),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.ingress),
                                            caf::actor_cast<caf::strong_actor_ptr>(crew_.runpod)};
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
  send(crew_.queue, crew_);
  send(crew_.loader, crew_);
  send(crew_.health, crew_);
  send(crew_.remote, crew_);
  send(crew_.ingress, crew_);
  if (crew_.runpod) {
    send(crew_.runpod, crew_);
  }
  for (const auto& s : slots_) {
    if (s.worker) {
      send(s.worker, crew_);
    }
  }
  if (http_open_) {
    ctx_.outside.http.redirect(sink());
  }
  if (models_) {
    send(crew_.loader, check_catalogue{}); // a new loader must learn it again
  }
  broadcast();
  if (state_.state() == pod_state::STOPPING && !workers_stopping_) {
    // Those that were asked may be gone.
    if (crew_.runpod) {
      send(crew_.runpod, drain_origin{});
    }
    if (queue_draining_) {
      send(crew_.queue, drain_queue{});
    }
  }
}

void supervisor::broadcast() {
  const pod_moved fact{state_.state(), ready_};
  if (crew_.queue && !core_stopping_) {
    send(crew_.queue, fact);
    send(crew_.health, fact);
    send(crew_.remote, fact);
    send(crew_.ingress, fact);
    if (crew_.runpod) {
      send(crew_.runpod, fact);
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

/// Where the HTTP server puts its calls.
call_sink supervisor::sink() const {
  return [ingress = crew_.ingress](api::call call, reply_ptr answer) {
    caf::anon_send(ingress, client_call{std::move(call), std::move(answer)});
  };
}

} // namespace tayfa
