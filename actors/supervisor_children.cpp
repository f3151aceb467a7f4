// The supervisor's children: which there are, under which policy, how each is started, and how they
// get each other's handles.
#include "actors/health.hpp"
#include "actors/supervisor.hpp"

namespace tayfa {

namespace {

child_keeper::end judge_core(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown ? child_keeper::end::normal
                                                              : child_keeper::end::failed;
}

} // namespace

std::string supervisor::name_of(core_part part) {
  switch (part) {
  case core_part::queue: return "queue";
  case core_part::head_link: return "head_link";
  case core_part::pod_gateway: return "pod_gateway";
  case core_part::model_loader: return "model_loader";
  case core_part::health: return "health";
  case core_part::remote_workers: return "remote_workers";
  case core_part::ingress: return "ingress";
  case core_part::runpod_worker: return "runpod_worker";
  }
  return {};
}

std::vector<supervisor::core_part> supervisor::parts_of_role() const {
  if (terms_.link) {
    return {core_part::head_link, core_part::model_loader, core_part::health, core_part::ingress};
  }
  std::vector<core_part> parts{core_part::queue};
  if (terms_.head) {
    parts.push_back(core_part::pod_gateway);
  }
  parts.insert(parts.end(), {core_part::model_loader, core_part::health, core_part::remote_workers,
                             core_part::ingress});
  if (terms_.runpod) {
    parts.push_back(core_part::runpod_worker);
  }
  return parts;
}

void supervisor::make_core() {
  directory_.supervisor = caf::actor_cast<supervisor_actor>(this);
  remote_registry_ = make_worker_registry(ctx_.knobs);
  if (terms_.head) {
    pod_registry_ = make_pod_registry(*terms_.head, *ctx_.outside.listener);
  }
  supervision::policy policy;
  policy.how = supervision::strategy::rest_for_one;
  core_parts_ = parts_of_role();
  std::vector<supervision::child_spec> children;
  for (const auto part : core_parts_) {
    children.push_back({name_of(part), supervision::restart::permanent});
  }
  core_ = std::make_unique<child_keeper>(
      this, ctx_, policy, std::move(children),
      child_keeper::hooks{[this](std::size_t i) { return start_core(core_parts_[i]); },
                          [this](std::chrono::milliseconds after, std::uint64_t ticket) {
                            send_timer(this, ctx_.outside.time, after, ticket, core_alarm);
                          },
                          [this] { introduce(); },
                          [this](std::size_t, const error& why) { core_given_up(why); },
                          [this] { enter(stop_state::CLOSING_PORT, cause::all_stopped); }},
      judge_core);
}

caf::strong_actor_ptr supervisor::start_core(core_part part) {
  const auto started = [this](const auto& handle) {
    auto child = caf::actor_cast<caf::strong_actor_ptr>(handle);
    announce(child);
    return child;
  };
  auto& d = directory_;
  switch (part) {
  case core_part::queue:
    d.queue = spawn_queue(*this, ctx_, terms_.queue);
    d.dispatcher = d.queue;
    return started(d.queue);
  case core_part::head_link:
    head_link_ = spawn<head_link>(ctx_, *terms_.link, ++head_links_);
    d.dispatcher = head_link_;
    return started(head_link_);
  case core_part::pod_gateway:
    d.pods = spawn<pod_gateway>(ctx_, *terms_.head, pod_registry_);
    return started(d.pods);
  case core_part::model_loader:
    d.loader = spawn<model_loader>(ctx_, terms_.engines);
    return started(d.loader);
  case core_part::health: d.health = spawn<health>(ctx_); return started(d.health);
  case core_part::remote_workers:
    d.remote = spawn<remote_workers>(ctx_, remote_registry_);
    return started(d.remote);
  case core_part::ingress: d.ingress = spawn<runpod_ingress>(ctx_); return started(d.ingress);
  case core_part::runpod_worker:
    d.runpod = spawn<runpod_worker>(ctx_, *terms_.runpod);
    return started(d.runpod);
  }
  return nullptr;
}

void supervisor::announce(const caf::strong_actor_ptr& child) const {
  if (terms_.born) {
    terms_.born(child);
  }
}

// ---- who is who --------------------------------------------------------------------------------

template <class Act>
void supervisor::for_each_core(Act act) const {
  const auto with = [&act](const auto& handle) {
    if (handle) {
      act(handle);
    }
  };
  with(directory_.dispatcher);
  with(directory_.pods);
  with(directory_.loader);
  with(directory_.health);
  with(directory_.remote);
  with(directory_.ingress);
  with(directory_.runpod);
}

void supervisor::introduce() {
  for_each_core([this](const auto& handle) { send(handle, directory_); });
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
      send(directory_.dispatcher, drain_queue{});
    }
  }
}

void supervisor::broadcast() {
  const pod_moved fact{state_.state(), ready_};
  if (!directory_.dispatcher || !core_serves()) {
    return;
  }
  for_each_core([this, &fact](const auto& handle) {
    // The model_loader has no use for it.
    if constexpr (!std::is_same_v<std::decay_t<decltype(handle)>, model_loader_actor>) {
      send(handle, fact);
    }
  });
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
