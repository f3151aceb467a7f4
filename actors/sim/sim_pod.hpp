// A life of the runtime's process in the simulation: the store on the simulated disk, the job
// table, the supervisor and all its actors. It can be killed as by kill -9: all its actors die at
// once, store operations that have not begun are dropped, its engines die with it; only the disk
// stays.
//
// Owner: the simulation; used on its thread.
#pragma once

#include "actors/sim/sim_engines.hpp"
#include "actors/sim/sim_platform.hpp"
#include "actors/sim/sim_world.hpp"
#include "actors/supervisor.hpp"
#include "runtime/store/sim_disk.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tayfa::sim {

/// Everything outside of the process.
struct surroundings {
  caf::actor_system& system;
  time_source& time; ///< the process's own
  random_source& random;
  secret_source& secrets;
  event_log& log;
  metrics& meters;
  sim_engine_host& engines;
  sim_gateway& http;
  sim_probe& probe;
  sim_models& models;
  sim_poster& post;
  event_feed& feed;
  store::sim_disk& disk;
  sim_platform* platform = nullptr; ///< whose worker the pod is
  // A head's, or those of a pod that has one:
  std::optional<head_terms> head{};
  std::optional<link_terms> link{};
  pods::pod_listener* listener = nullptr;
  pods::head_connector* connector = nullptr;
  pods::result_port* results = nullptr;
  pods::trust_port* trust = nullptr;
};

class sim_pod {
 public:
  sim_pod(surroundings, const config&, std::function<void(pod_exit)> stopped);
  ~sim_pod();
  sim_pod(const sim_pod&) = delete;
  sim_pod& operator=(const sim_pod&) = delete;

  void start();
  /// Kills every actor of this life; they are dead when alive() is 0.
  void kill();
  std::size_t alive() const { return *alive_; }
  /// An actor of this process, and not one of the world around it.
  bool runs(const caf::resumable* one) const { return actors_->contains(one); }

  const supervisor_actor& root() const { return supervisor_; }
  /// Breaks of the job table's invariants, in words.
  std::vector<std::string> audit() const;
  bool webhook_is_pending(const job_id&) const;
  store::sqlite_store& disk_store() { return store_; }

 private:
  void watch(const caf::strong_actor_ptr&);

  surroundings around_;
  store::sqlite_store store_;
  std::shared_ptr<queue_state> queue_;
  world world_;
  std::vector<caf::weak_actor_ptr> born_;
  std::shared_ptr<std::size_t> alive_ = std::make_shared<std::size_t>(0);
  std::shared_ptr<std::set<const caf::resumable*>> actors_ =
      std::make_shared<std::set<const caf::resumable*>>();
  std::shared_ptr<bool> over_ =
      std::make_shared<bool>(false); ///< no actor gets its messages any more
  supervisor_actor supervisor_;
};

} // namespace tayfa::sim
