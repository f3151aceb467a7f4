// Gathers the content of `tayfa top` from a pod, again and again.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/cli/event_text.hpp"
#include "runtime/cli/pod_client.hpp"
#include "runtime/cli/top_view.hpp"

#include <deque>

namespace tayfa {

class top_gatherer {
 public:
  top_gatherer(const pod_client& pod, const time_source& clock, std::string url)
      : pod_(pod), clock_(clock) {
    facts_.url = std::move(url);
  }

  /// Queries the pod; the facts stay unchanged when it does not answer.
  command_result<void> refresh();
  /// Records an event: it reports a job's end before any list does.
  void learn(const server_event&);
  const top_facts& facts() const { return facts_; }
  void set_paused(bool on) { facts_.paused = on; }
  void set_trouble(std::string text) { facts_.trouble = std::move(text); }

 private:
  struct sample {
    moment at;
    double accepted;
    double ended;
  };
  struct end {
    job_view job;
    boost::json::object sent;
  };
  command_result<void> ask_lists();
  void merge_ended(const std::vector<job_summary>& newest, const boost::json::array& sent);
  void measure();

  const pod_client& pod_;
  const time_source& clock_;
  top_facts facts_;
  std::deque<sample> samples_;
  std::deque<end> ends_; ///< from events, the latest first
};

} // namespace tayfa
