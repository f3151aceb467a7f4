// The gateway of the remote workers: programs built on RunPod's SDK that pull jobs of this pod's
// queue over HTTP. Every decision is in runtime/runpod_platform (worker_registry); this actor holds
// the open long polls, turns messages into commands of it and its effects into messages and
// answers.
//
// To the queue it executes every attempt of a remote worker (node pull_node). It holds no thread
// and no socket: a poll is a reply object that waits in a map.
//
// States: ALONE (calls are postponed until it has the directory) -> ASKING (until the queue has
// said what the workers may have from before) -> OPEN, or ASKING again when there is a new queue.
// Before the pod is READY takes are held but not offered to the queue, in STOPPING nothing is
// handed out. The registry outlives the actor: a new one begins with no polls, and announces to the
// queue what the workers have.
#pragma once

#include "actors/common.hpp"
#include "actors/worker_call.hpp"
#include "runtime/runpod_platform/worker_registry.hpp"

#include <map>
#include <memory>
#include <optional>
#include <variant>

namespace tayfa {

/// How an answer to a remote worker fared, or that its client did not wait for it.
struct poll_settled {
  struct left {
    remote::poll_id poll = 0;
    bool whole = false;
  };
  struct gone {
    remote::poll_id poll = 0;
  };
  std::variant<left, gone> what;
};

/// As the knobs of section `workers` say.
std::shared_ptr<remote::worker_registry> make_worker_registry(const config&);

class remote_workers : public remote_workers_actor::base {
 public:
  remote_workers(caf::actor_config&, pod_context, std::shared_ptr<remote::worker_registry>);

  const char* name() const override { return "remote_workers"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  behavior_type alone();
  behavior_type asking();
  behavior_type open();

  void serve(const worker_call&);
  void on(const api::take_jobs&, const reply_ptr&);
  void on(const api::poll_stops&, const reply_ptr&);
  void on(const api::worker_ping&, const reply_ptr&);
  void on(const api::worker_result&, const reply_ptr&);
  void on(const api::worker_chunk&, const reply_ptr&);
  void answer_post(const api::worker_place&, const std::string& job,
                   remote::worker_registry::verdict, const reply_ptr&);
  void wait_for_answer(remote::poll_id);

  void pod(const pod_moved&);
  void on_directory(const actor_directory&);
  void settled(const poll_settled&);
  void timed(const due_timer&);

  void obey(remote::effects);
  template <class Message>
    requires lists<queue_messages, Message>
  void obey(Message& m) {
    send(directory_.queue, std::move(m));
  }
  void obey(remote::hand_out&);
  void obey(remote::send_stops&);
  void obey(remote::nothing_yet&);
  void obey(remote::turn_away&);
  void obey(remote::log_entry&);
  reply_ptr take_reply(remote::poll_id);
  /// Answers, and reports to the registry whether the answer left.
  void send_watched(remote::poll_id, api::response);
  void after();

  moment now() const { return ctx_.outside.time.now(); }

  pod_context ctx_;
  std::shared_ptr<remote::worker_registry> registry_;
  actor_directory directory_;
  remote::effects left_over_; ///< of the last owner, for the queue that is not met yet
  std::map<remote::poll_id, reply_ptr> replies_;
  remote::poll_id polls_ = 0;
  std::uint64_t refused_counted_ = 0;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
};

} // namespace tayfa
