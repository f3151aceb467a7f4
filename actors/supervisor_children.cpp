// The supervisor's children: which there are, under which policy, and how each is started.
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

} // namespace tayfa
