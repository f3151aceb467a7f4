// RunPod's platform in the simulation: it gives jobs to the pod over the same calls as the real
// one, with faults (answers that get lost, come late, or are nonsense), and keeps a ledger that
// is held against the promises afterwards. It lives outside of the pod's process and outlives it.
//
// What it knows of a job is what a platform can know: it was given away when its answer was
// written; a job that no ping names for `lost_after` is given again. Owner: the simulation; one
// thread.
#pragma once

#include "actors/sim/sim_world.hpp"
#include "runtime/runpod_worker/contract.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::sim {

struct platform_options {
  std::uint32_t jobs = 20;
  std::chrono::milliseconds gap_max{400}; ///< between two jobs of its clients
  std::chrono::milliseconds hold{5'000};  ///< of a long poll
  std::chrono::milliseconds lost_after{35'000};
  double lost_requests = 0; ///< share of calls that end before the platform reads them
  double lost_answers = 0;  ///< share that it reads and whose answer does not arrive
  double malformed = 0;     ///< share answered with garbage, 4xx, 5xx or an empty 200
  double twice = 0;         ///< share of jobs that are given twice
  double stops = 0;         ///< share of jobs that are stopped while they wait or run
  double odd_ids = 0.2;     ///< share of ids that are no job_id
};

/// A job as its client's platform sees it.
struct platform_job {
  std::string id;
  std::string input;
  std::string expected; ///< body of its result; empty = any error is right
  bool may_fail = false;
  std::uint32_t given = 0;        ///< answers that named it
  std::uint32_t arrived = 0;      ///< and were received
  bool forgotten = false;         ///< it had arrived, had no result, and no ping named it for long
  bool stop_sent = false;         ///< the worker got the order to stop it
  moment stop_at{};               ///< when
  bool posted_after_stop = false; ///< a post came later than its stop
  std::vector<std::string> results; ///< bodies, in the order they came
  std::vector<std::string>
      posts_after_end; ///< results, chunks or progress that came after the first one
  std::uint32_t chunks = 0, progress = 0;
  bool over() const { return stop_sent || !results.empty(); }
};

class sim_platform final : public http_poster {
 public:
  sim_platform(caf::actor_system&, time_source&, random_source&, platform_options,
               std::function<void()> done);
  ~sim_platform() override;

  call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)> done) override;
  void drop(call_ticket, std::chrono::milliseconds linger) override;

  /// The process that made the calls is dead: none of them will get an answer.
  void callers_died();
  /// The pod's process does not run before: answers wait in its sockets.
  void unread_until(moment when) { unread_until_ = when; }
  /// The pod is STOPPING since then (or not any more): no take may begin later.
  void stopping_since(std::optional<moment> when) { stopping_since_ = when; }
  /// Drops the handle, so that the actor system can end.
  void forget();

  const std::vector<platform_job>& jobs() const;
  const std::vector<std::string>& faults() const; ///< what the pod did against the contract
  const platform_options& options() const { return options_; }
  static runpod::settings settings();

 private:
  friend class platform_actor;
  struct open_call {
    std::function<void(result<outgoing_answer>)> done;
    bool answered = false; ///< the answer is on the wire
  };
  void answer(call_ticket, result<outgoing_answer>);
  void arrive(call_ticket, result<outgoing_answer>);

  platform_options options_;
  random_source& random_;
  std::optional<moment> stopping_since_;
  moment unread_until_{};
  call_ticket tickets_ = 0;
  std::map<call_ticket, open_call> open_;
  struct ledger;
  std::shared_ptr<ledger> ledger_;
  caf::actor platform_actor_;
};

} // namespace tayfa::sim
