// The last word of a worker that is not fit for RunPod's platform: which check failed, told to the
// platform before the process ends with 1.
//
// Owner: run_serve. The check's own thread writes the note, run_serve reads it when the pod is
// gone.
#pragma once

#include "runtime/host/system_fitness.hpp"
#include "runtime/http/poster.hpp"
#include "runtime/runpod/contract.hpp"
#include "runtime/telemetry/log.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace tayfa {

/// What the latest checks found. Thread safe.
class unfit_note {
 public:
  void write(std::optional<unhealthy> found) {
    const std::lock_guard guard{mutex_};
    found_ = std::move(found);
  }
  std::optional<unhealthy> read() const {
    const std::lock_guard guard{mutex_};
    return found_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<unhealthy> found_;
};

/// `checks`, with a note of what they found.
std::function<void(fitness_report&, int stop)>
noting(std::function<void(fitness_report&, int stop)> checks, std::shared_ptr<unfit_note>);

/// Tells the log and, where there is a ping URL, the platform: once, and waits for no more than the
/// call's own time.
void report_unhealthy(const runpod::settings&, const unhealthy&, http_poster&, event_log&);

} // namespace tayfa
