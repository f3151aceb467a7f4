// The RunPod ingress: answers HTTP calls. It owns the waits of /runsync and its own lifecycle;
// parsing and rendering are in runtime/api, jobs live in the queue.
//
// States: NOT_STARTED (calls are postponed until it has met the crew) -> WAITING (jobs are accepted
// and wait; /ping 204)
// -> READY <-> PROCESSING (a job waits or runs) -> SHUTDOWN (no new job; status, stream and cancel
// still answer). Every call is answered exactly once: the reply object answers by itself when it is
// dropped.
#pragma once

#include "actors/common.hpp"

#include <concepts>
#include <map>

namespace tayfa {

struct client_call {
  api::call call;
  reply_ptr answer;
};

class runpod_ingress : public ingress_actor::base {
 public:
  runpod_ingress(caf::actor_config&, pod_context);

  const char* name() const override { return "ingress"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  behavior_type not_started();
  behavior_type answering();

  void serve(const client_call&);
  void on(const api::submit&, const reply_ptr&);
  void on(const api::status&, const reply_ptr&);
  void on(const api::stream&, const reply_ptr&);
  void on(const api::cancel&, const reply_ptr&);
  void on(const api::retry&, const reply_ptr&);
  void on(const api::drop&, const reply_ptr&);
  void on(const api::purge&, const reply_ptr&);
  void on(const api::list_jobs&, const reply_ptr&);
  void on(const api::inspect&, const reply_ptr&);
  void on(const api::events&, const reply_ptr&);
  void on(const api::list_slots&, const reply_ptr&);
  void on(const api::drain_slot&, const reply_ptr&);
  void on(const api::resize_slots&, const reply_ptr&);
  void on(const api::list_requests&, const reply_ptr&);
  void on(const api::list_workers&, const reply_ptr&);
  void on(const api::describe&, const reply_ptr&);
  template <class Call>
    requires std::constructible_from<api::worker_request, Call>
  void on(const Call& call, const reply_ptr& answer) {
    for_remote(call, answer);
  }
  void for_remote(api::worker_request, const reply_ptr&);
  void on(const api::health&, const reply_ptr&);
  void on(const api::ping&, const reply_ptr&);
  void on(const api::scrape&, const reply_ptr&);

  void ended(const job_ended&);
  void pod(const pod_moved&);
  void load(const load_changed&);
  void met(const crew&);
  void waited(const due_timer&);

  void wait_for(const job_id&, const job_access&, const reply_ptr&, std::chrono::milliseconds);
  void wait_instead(const job_id& asked, const job_view& known);
  void answer_with_slots(const slot_answer&, const reply_ptr&);
  void answer_with_state(const job_id&, const job_access&, const reply_ptr&,
                         std::optional<milliseconds> keep = std::nullopt);
  /// The timer fires at the earliest wait; a wait that ended early costs one idle scan.
  void arm(moment until);
  void follow_load();
  bool move_to(ingress_state, cause);

  struct wait {
    moment until;
    job_access who;
    reply_ptr answer;
  };

  pod_context ctx_;
  machine<ingress_state> state_;
  moment since_;
  crew crew_;
  pod_moved pod_;
  load_changed load_;
  std::multimap<job_id, wait> waits_;
  std::uint64_t ticket_ = 0;
  std::optional<moment> armed_for_;
};

} // namespace tayfa
