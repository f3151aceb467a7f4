// This pod as a worker of RunPod's platform. Decides nothing: the session of
// runtime/runpod_worker says what to call, ask and report; this actor carries it out and brings it
// the answers.
//
// It owns the session and the open calls. The queue owns the jobs and their undelivered results, so
// this actor may die at any time. The answers of takes go through runpod_inbox, which outlives the
// actor: a job that the platform has given away is not lost between two actors.
#pragma once

#include "actors/common.hpp"
#include "runtime/runpod_worker/session.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <set>

namespace tayfa {

/// Answers of takes that no actor has read yet. Thread safe.
class runpod_inbox {
 public:
  /// `look` is called, from any thread, whenever there is something; it replaces the last one.
  void listen(std::function<void()> look) {
    const std::lock_guard guard{mutex_};
    look_ = std::move(look);
  }
  /// The numbers of a new session's takes are above this one, and those of earlier sessions are
  /// not.
  std::uint64_t begin_session() {
    const std::lock_guard guard{mutex_};
    return ++sessions_ << 32;
  }
  void put(std::uint64_t number, result<outgoing_answer> answer) {
    const std::lock_guard guard{mutex_};
    entries_.push_back({number, std::move(answer)});
    if (look_) {
      look_();
    }
  }
  std::deque<runpod::take_answer> take() {
    const std::lock_guard guard{mutex_};
    return std::exchange(entries_, {});
  }

 private:
  std::mutex mutex_;
  std::uint64_t sessions_ = 0;
  std::function<void()> look_;
  std::deque<runpod::take_answer> entries_;
};

/// An answer of the platform.
struct platform_replied {
  struct took {}; ///< look into the inbox
  struct stops {
    std::uint64_t number = 0;
    result<outgoing_answer> answer;
  };
  struct posted {
    std::uint64_t number = 0;
    result<outgoing_answer> answer;
  };
  struct pinged {
    result<outgoing_answer> answer;
  };
  std::variant<took, stops, posted, pinged> what;
};

struct runpod_terms {
  runpod::settings platform;
  std::shared_ptr<runpod_inbox> inbox = std::make_shared<runpod_inbox>();
};

class runpod_worker : public runpod_worker_actor::base {
 public:
  runpod_worker(caf::actor_config&, pod_context, const runpod_terms&);

  const char* name() const override { return "runpod_worker"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  enum topic : std::uint32_t { deadline, ping };

  void on_directory(const actor_directory&);
  void replied(const platform_replied&);
  void read_takes();
  void timed(const due_timer&);
  void arm();

  void carry_out(runpod::effects);
  void on(runpod::open_take&);
  void on(const runpod::drop_take&);
  void on(runpod::open_stop_poll&);
  void on(runpod::send_post&);
  void on(runpod::send_ping&);
  void on(submit_job&);
  void on(const cancel_job&);
  void on(result_posted&);
  void on(const ask_origin_jobs&);
  void on(const origin_drained&);
  void on(stop_pod&);
  void on(const runpod::log_line&);
  void on(const runpod::count&);

  /// Any call but a take: its answer is for this actor only.
  template <class Answer>
  call_ticket call(outgoing_call, Answer);
  moment now() const { return ctx_.outside.time.now(); }

  pod_context ctx_;
  std::shared_ptr<runpod_inbox> inbox_;
  runpod::session session_;
  actor_directory directory_;
  std::optional<call_ticket> take_, stops_; ///< the latest of each
  std::set<moment> armed_; ///< when timers are due; a sooner deadline needs one more
};

} // namespace tayfa
