// The final report of an unfit worker of RunPod's platform: it sends the failed check to the
// platform before the process exits with 1.
//
// Owner: run_serve. The check's thread writes the note; run_serve reads it after the pod has ended.
#pragma once

#include "runtime/http_client/poster.hpp"
#include "runtime/machine/system_fitness.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/telemetry/log.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace tayfa {

/// The result of the latest checks. Thread safe.
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

/// Wraps `checks` so that the note records their result.
std::function<void(fitness_report&, int stop)>
noting(std::function<void(fitness_report&, int stop)> checks, std::shared_ptr<unfit_note>);

/// Logs the failure and, if there is a ping URL, sends it to the platform: once, waiting no longer
/// than the call's own timeout.
void report_unhealthy(const runpod::settings&, const unhealthy&, http_poster&, event_log&);

} // namespace tayfa
