// The RunPod ingress: answers HTTP calls. It owns the calls that are held (/runsync, /status-sync,
// /stream) and its own lifecycle; parsing and rendering are in runtime/api, jobs live in the queue,
// when a held call is looked at is decided in runtime/core/held_calls.
//
// States:
//   NOT_STARTED  calls are postponed until the supervisor has sent the directory
//   WAITING      jobs are accepted and wait; /ping answers 204
//   READY <-> PROCESSING  a job waits or runs in PROCESSING
//   SHUTDOWN     no new job is accepted; status, stream and cancel still answer
// Every call is answered exactly once: the reply object answers by itself when it is
// dropped.
#pragma once

#include "actors/common.hpp"
#include "actors/openai_calls.hpp"
#include "actors/other_heads.hpp"
#include "runtime/core/held_calls.hpp"

#include <concepts>
#include <functional>
#include <map>

namespace tayfa {

struct client_call {
  api::call call;
  reply_ptr answer;
};
/// The client of a held call left, or closed its sending side. Both look alike, so the call is
/// answered with the present state, since the client may still read.
struct client_left {
  held_calls::number call = 0;
};
/// The outcome of an answer with chunks of this job is known: its reader has them, or has not.
struct chunks_settled {
  job_id job;
};

class runpod_ingress : public ingress_actor::base {
 public:
  runpod_ingress(caf::actor_config&, pod_context);

  const char* name() const override { return "ingress"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  auto common();
  behavior_type not_started();
  behavior_type answering();

  void serve(const client_call&);
  void serve(const api::call&, const reply_ptr&);
  /// A request that another actor answers, and whose answer needs nothing more.
  template <class Request>
    requires requires(typename Request::answer a) { api::answer_to(api::about<Request>{}, a); }
  void on(const Request&, const reply_ptr&);
  void on(const api::submit&, const reply_ptr&);
  void submit(const api::submit&, const reply_ptr&);
  void on(const purge_jobs&, const reply_ptr&);
  void on(const api::status&, const reply_ptr&);
  void on(const api::stream&, const reply_ptr&);
  void on(const api::events&, const reply_ptr&);
  void on(const api::list_requests&, const reply_ptr&);
  void on(const api::describe&, const reply_ptr&);
  template <class Call>
    requires std::constructible_from<api::worker_request, Call>
  void on(const Call& call, const reply_ptr& answer) {
    for_remote(call, answer);
  }
  void for_remote(api::worker_request, const reply_ptr&);
  void count_others(const reply_ptr&, std::function<void(const health_answer&)> then);
  void count_workers(const reply_ptr&, const job_counts&);
  void on(const api::health&, const reply_ptr&);
  void on(const api::ping&, const reply_ptr&);
  void on(const api::ready&, const reply_ptr&);
  void on(const api::scrape&, const reply_ptr&);
  void on(const api::openai&, const reply_ptr&);

  void pod(const pod_moved&);
  void load(const load_changed&);
  void on_directory(const actor_directory&);
  /// Sends the request to the actor whose interface has it; renders the answer, or that the actor
  /// is restarting.
  template <class Request, class Render>
  void ask(const Request&, const reply_ptr&, Render);
  void follow_load();
  bool move_to(ingress_state, cause);

  // held calls (ingress_held.cpp)
  struct held_call {
    job_access who;
    reply_ptr answer;
    /// Its client may be one that asks again at once whatever the answer: RunPod's Go client knows
    /// of no CANCELLED and no TIMED_OUT. Only until it has been looked at once.
    bool asks_again = false;
    std::optional<milliseconds> keep{}; ///< the result shall stay for so long
    bool over = false;                  ///< it waits for chunks no longer
    std::uint32_t receipts = 0;         ///< of its job's chunks, since it is held
  };
  held_calls::number hold(const job_id&, const job_access&, const reply_ptr&, held_for,
                          milliseconds wait);
  /// Answers early when its client leaves.
  void watch_client(held_calls::number);
  void look(held_calls::number, bool over);
  void look_at_state(held_calls::number, bool over);
  void look_at_chunks(held_calls::number, bool over);
  void answer_with_chunks(held_calls::number, const unread_chunks&);
  bool pauses(held_calls::number, job_state);
  void ended(const job_ended&);
  void streamed(const job_streamed&);
  void left(const client_left&);
  void settled(const chunks_settled&);
  void held_long_enough(const due_timer&);
  void wait_instead(held_calls::number, const job_view& known);
  void refuse(held_calls::number, const error&);
  reply_ptr take(held_calls::number);
  void send_chunks(const reply_ptr&, const unread_chunks&);
  /// The timer fires when the next call is due; one for a call that ended early costs a look at
  /// nothing.
  void arm();

  pod_context ctx_;
  machine<ingress_state> state_;
  moment since_;
  actor_directory directory_;
  pod_moved pod_;
  load_changed load_;
  link_moved head_; ///< of a pod that has one
  held_calls held_;
  openai_calls openai_;
  other_heads heads_;
  std::map<held_calls::number, held_call> calls_; ///< those that are held
  std::uint64_t ticket_ = 0;
  std::optional<moment> armed_for_;
};

} // namespace tayfa
