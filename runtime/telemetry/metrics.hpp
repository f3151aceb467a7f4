// Metrics: each is one row; registration, /metrics and docs derive from the table. prometheus-cpp
// (core) holds the values; they are atomic, so any thread may update or render them.
#pragma once

#include "messages/lifecycle.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tayfa {

// X(name, kind, help). Counters only grow; gauges are set; histograms are in seconds.
#define TAYFA_METRICS(X)                                                                           \
  X(jobs_accepted, counter, "Jobs accepted")                                                       \
  X(jobs_refused, counter, "Submissions refused with an error")                                    \
  X(jobs_completed, counter, "Jobs that ended COMPLETED")                                          \
  X(jobs_failed, counter, "Jobs that ended FAILED")                                                \
  X(jobs_cancelled, counter, "Jobs that ended CANCELLED")                                          \
  X(jobs_timed_out, counter, "Jobs that ended TIMED_OUT")                                          \
  X(attempts_started, counter, "Attempts given to a worker")                                       \
  X(attempts_lost, counter, "Attempts whose worker was lost")                                      \
  X(chunks_dropped, counter, "Stream chunks dropped before a reader received them")                \
  X(reports_fenced, counter, "Worker reports refused because their attempt is not current")        \
  X(engine_restarts, counter, "Engine processes started again")                                    \
  X(engine_kills, counter, "Engine processes killed by their keeper")                              \
  X(bad_frames, counter, "Frames from engines that broke the protocol")                            \
  X(jobs_adopted, counter, "Jobs taken over from heads that have died")                            \
  X(commits, counter, "Batches of changes handed to the store")                                    \
  X(webhooks_delivered, counter, "Webhook calls answered with 2xx")                                \
  X(webhooks_failed, counter, "Webhook calls refused, failed or answered otherwise")               \
  X(results_posted, counter, "Results that RunPod's platform has accepted")                        \
  X(results_unposted, counter, "Tries to post a result that failed or were refused")               \
  X(platform_takes, counter, "Takes that RunPod's platform answered with jobs")                    \
  X(platform_troubles, counter, "Calls to RunPod's platform without a usable answer")              \
  X(remote_workers, gauge, "Remote workers that pull jobs from this queue")                        \
  X(pods, gauge, "Pods that this head knows")                                                      \
  X(peers_refused, counter, "Connections of pods refused before they could say anything")          \
  X(head_linked, gauge, "1 while the head of this pod answers")                                    \
  X(pauses, counter, "Times that the runtime found that it had not run for a while")               \
  X(paused_seconds, counter, "Seconds in which the runtime did not run")                           \
  X(http_requests, counter, "HTTP requests answered")                                              \
  X(http_refused, counter, "HTTP requests or connections refused by a limit")                      \
  X(remote_posts_refused, counter, "Posts of remote workers about jobs that they do not hold")     \
  X(jobs_in_queue, gauge, "Jobs that wait")                                                        \
  X(jobs_in_progress, gauge, "Jobs that run")                                                      \
  X(calls_held, gauge, "HTTP calls that wait for the end of a job, or for its next chunk")         \
  X(engines_ready, gauge, "Engines that are READY or PROCESSING")                                  \
  X(engine_resident_bytes, gauge, "Resident memory of all engine processes together")              \
  X(engine_device_bytes, gauge, "Device memory that all engines together hold")                    \
  X(slots, gauge, "Slots configured")                                                              \
  X(resident_bytes, gauge, "Resident memory of the runtime")                                       \
  X(ready, gauge, "1 when the pod would answer /ping with 200")                                    \
  X(queue_delay_seconds, histogram, "Accepted to first attempt started")                           \
  X(execution_seconds, histogram, "Attempt started to ended")                                      \
  X(load_seconds, histogram, "Model load and warm-up")

enum class meter : std::uint8_t {
#define TAYFA_X(name, kind, help) name,
  TAYFA_METRICS(TAYFA_X)
#undef TAYFA_X
};

class metrics {
 public:
  metrics();
  ~metrics();
  metrics(const metrics&) = delete;
  metrics& operator=(const metrics&) = delete;

  // A call of the wrong kind, a negative amount or a non-finite number has no effect.
  void add(meter, double n = 1);       ///< counters
  void set(meter, double value);       ///< gauges
  void observe(meter, double seconds); ///< histograms
  double value(meter) const; ///< of a counter or gauge; for a histogram the number of observations

  /// Counts one transition: tayfa_transitions_total{machine,from,to,cause}. Every edge of every
  /// table has a series from the start (value 0), so an edge that is never taken is visible.
  template <class State>
  void moved(State from, State to, cause why) {
    count_transition(machine_traits<State>::name, to_string(from), to_string(to), to_string(why));
  }

  /// Prometheus text exposition format 0.0.4; every name begins with tayfa_, counters end in
  /// _total.
  std::string render() const;

 private:
  void count_transition(std::string_view machine, std::string_view from, std::string_view to,
                        std::string_view why);
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tayfa
