#include "actors/sim/sim_pod.hpp"

#include "actors/queue.hpp"
#include "actors/queue_limits.hpp"
#include "runtime/config/engine_settings.hpp"

#include <csignal>

namespace tayfa::sim {

namespace {

store::sqlite_store_options on(store::sim_disk& disk) {
  store::sqlite_store_options o;
  o.folder = "/sim/store";
  o.boot = "the same boot";
  o.vfs = disk.vfs_name();
  o.files = &disk.files();
  o.inline_mode = true;
  o.reserve = std::size_t{256} << 10;
  return o;
}

} // namespace

sim_pod::sim_pod(surroundings around, const config& knobs, std::function<void(pod_exit)> stopped)
    : around_(around), store_(around.time, on(around.disk)),
      queue_(make_queue_state(limits_from(knobs))),
      world_{around.time,
             around.random,
             around.secrets,
             around.log,
             around.meters,
             around.engines,
             around.http,
             around.probe,
             around.models,
             store_,
             around.post,
             around.feed,
             around.platform != nullptr ? static_cast<http_poster&>(*around.platform)
                                        : around.post} {
  world_.listener = around.listener;
  world_.connector = around.connector;
  world_.results = around.results;
  world_.trust = around.trust;
  pod_terms terms;
  terms.head = around.head;
  terms.link = around.link;
  terms.engines = engines_of(knobs);
  terms.queue = queue_;
  if (around.platform != nullptr) {
    terms.runpod = runpod_terms{sim_platform::settings()};
  }
  terms.stopped = [over = over_, stopped = std::move(stopped)](pod_exit e) {
    if (!*over) {
      stopped(std::move(e));
    }
  };
  terms.born = [this](const caf::strong_actor_ptr& child) { watch(child); };
  supervisor_ = around_.system.spawn<supervisor>(pod_context{world_, knobs}, std::move(terms));
  watch(caf::actor_cast<caf::strong_actor_ptr>(supervisor_));
}

sim_pod::~sim_pod() {
  *over_ = true;
}

void sim_pod::watch(const caf::strong_actor_ptr& child) {
  ++*alive_;
  born_.push_back(caf::actor_cast<caf::weak_actor_ptr>(child));
  const auto* const one = dynamic_cast<const caf::resumable*>(child->get());
  actors_->insert(one);
  child->get()->attach_functor([alive = alive_, actors = actors_, one] {
    --*alive;
    actors->erase(one);
  });
}

std::vector<std::string> sim_pod::audit() const {
  return queue_->table.audit();
}

bool sim_pod::webhook_is_pending(const job_id& id) const {
  return queue_->table.webhook_is_pending(id);
}

void sim_pod::start() {
  caf::anon_send(supervisor_, start_pod{});
}

void sim_pod::kill() {
  *over_ = true;
  around_.http.redirect(nullptr);
  if (around_.platform != nullptr) {
    around_.platform->callers_died();
  }
  for (const auto& worker : around_.engines.alive()) {
    around_.engines.kill(worker, SIGKILL); // PR_SET_PDEATHSIG
  }
  for (const auto& weak : born_) {
    if (const auto child = caf::actor_cast<caf::strong_actor_ptr>(weak)) {
      // Before anything else that waits in its mailbox: a process does not read its last letters.
      caf::anon_send<caf::message_priority::high>(
          caf::actor_cast<caf::actor>(child),
          caf::exit_msg{child->address(), caf::exit_reason::kill});
    }
  }
  supervisor_ = nullptr;
}

} // namespace tayfa::sim
