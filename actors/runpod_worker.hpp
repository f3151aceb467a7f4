// This pod as a worker of RunPod's platform: takes jobs from it, hears what it wants stopped, pings
// it and brings it results. What calls look like and what answers mean is in runtime/runpod_worker.
//
// It owns the open calls and the order of the posts of each job; the queue owns the jobs and their
// undelivered results, so that this actor may die at any time. A take's answer goes through
// runpod_inbox, which outlives the actor: what the platform has given away is never lost between
// two of them.
//
// States: WAITING (the pod is not READY, or not any more: nothing is taken) <-> TAKING -> DRAINING
// (the open take is dropped, what it still brings is taken, then origin_drained). Pings begin with
// the first TAKING and end with the actor; stops are heard as long as there is a job.
//
// Invariants:
//   * at most one take is open, for at most as many jobs as there are free places;
//   * the posts of one job leave one after the other, in the order of what they tell: chunks and
//     progress, then the result, nothing after it;
//   * a job that the queue refused is reported as failed, one that it has is the queue's.
#pragma once

#include "actors/common.hpp"
#include "runtime/runpod_worker/contract.hpp"

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace tayfa {

/// Answers of takes that no actor has read yet. Thread safe.
class runpod_inbox {
 public:
  struct entry {
    std::uint64_t number = 0; ///< of the take
    result<outgoing_answer> answer;
  };
  /// `look` is called, from any thread, whenever there is something; it replaces the last one.
  void listen(std::function<void()> look) {
    const std::lock_guard guard{mutex_};
    look_ = std::move(look);
  }
  std::uint64_t next_number() {
    const std::lock_guard guard{mutex_};
    return ++numbers_;
  }
  void put(std::uint64_t number, result<outgoing_answer> answer) {
    const std::lock_guard guard{mutex_};
    entries_.push_back({number, std::move(answer)});
    if (look_) {
      look_();
    }
  }
  std::deque<entry> take() {
    const std::lock_guard guard{mutex_};
    return std::exchange(entries_, {});
  }

 private:
  std::mutex mutex_;
  std::uint64_t numbers_ = 0;
  std::function<void()> look_;
  std::deque<entry> entries_;
};

/// An answer of the platform.
struct platform_replied {
  struct took {}; ///< look into the inbox
  struct stops {
    std::uint64_t number = 0;
    result<outgoing_answer> answer;
  };
  struct posted {
    std::uint64_t line = 0;
    result<outgoing_answer> answer;
  };
  struct pinged {
    bool well = false;
  };
  std::variant<took, stops, posted, pinged> what;
};

struct runpod_terms {
  runpod::settings platform;
  std::shared_ptr<runpod_inbox> inbox = std::make_shared<runpod_inbox>();
};

class runpod_worker : public runpod_worker_actor::base {
 public:
  runpod_worker(caf::actor_config&, pod_context, runpod_terms);

  const char* name() const override { return "runpod_worker"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  enum topic : std::uint32_t { ping_again, take_again, take_held, stops_again, post_again };

  // takes and stops (runpod_worker.cpp)
  void pod(const pod_moved&);
  void on_directory(const actor_directory&);
  void know(const origin_jobs&);
  void drain();
  void maybe_take();
  void watch_hold();
  void read_takes();
  void took(result<outgoing_answer>);
  void pause_takes(milliseconds);
  void accept(runpod::taken_job);
  void accepted(const job_id&, const std::string& origin, const job_answer&);
  void listen_for_stops();
  void heard_stops(const platform_replied::stops&);
  void stop_job(const std::string& origin);
  void ping();
  void timed(const due_timer&);
  void tell_drained();
  std::uint32_t free_places() const;

  // posts (runpod_posts.cpp)
  enum class post_kind : std::uint8_t { piece, progress, last_piece, result, refusal };
  struct post {
    post_kind kind = post_kind::piece;
    std::string body;
    std::uint32_t tries = 0;
    shared_text from{}; ///< of a large result: the text whose place in the budget this has
  };
  /// The posts of one job, oldest first; the front one may be on its way.
  struct line {
    job_id id;
    std::string origin;
    std::deque<post> posts;
    bool posting = false;
    bool streamed = false;
    bool ended = false;     ///< its result is in `posts`
    bool from_queue = true; ///< false: the queue never took the job
    std::size_t waiting_bytes = 0;
  };
  void said(const origin_progress&);
  void deliver(const deliver_result&);
  void report_refused(const std::string& origin, const error&);
  void post_next(std::uint64_t number);
  void posted(const platform_replied::posted&);
  void result_settled(std::uint64_t number, delivery, milliseconds pause, const std::string& text);
  void drop_line(std::uint64_t number);
  std::uint64_t line_of(const job_id&, const std::string& origin);
  result<std::string> result_body(const deliver_result&, bool streamed) const;

  void call(outgoing_call, std::function<platform_replied(result<outgoing_answer>)>);
  moment now() const { return ctx_.outside.time.now(); }

  pod_context ctx_;
  runpod_terms terms_;
  const runpod::settings& platform_;
  actor_directory directory_;
  bool serving_ = false;
  bool draining_ = false;
  bool drained_told_ = false;
  bool last_job_taken_ = false; ///< with runpod.refresh_worker: the pod ends after it
  bool pings_ = false;          ///< have begun
  std::uint32_t capacity_ = 0;

  std::optional<call_ticket> take_;
  std::uint64_t take_number_ = 0; ///< of the open one
  moment take_began_;
  bool hold_armed_ = false; ///< the timer that ends takes held for their time
  std::uint32_t take_failures_ = 0;
  std::uint64_t take_ticket_ = 0; ///< of the timer
  bool take_pausing_ = false;
  std::optional<call_ticket> stops_;
  moment stops_began_;
  std::uint64_t stops_number_ = 0;
  std::uint32_t stops_failures_ = 0;
  bool stops_pausing_ = false;

  std::set<job_id> submitting_;          ///< the queue has not answered yet
  std::map<job_id, std::string> live_;   ///< jobs that have not ended, with the platform's ids
  std::map<job_id, moment> early_stops_; ///< of jobs that are not here (yet), and until when
  std::uint64_t next_line_ = 0;
  std::map<std::uint64_t, line> lines_;
  std::unordered_map<job_id, std::uint64_t> line_numbers_;
};

} // namespace tayfa
