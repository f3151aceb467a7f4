// Waits for a job's end: by the pod's events where available, else by polling, and across short
// outages of the pod.
#pragma once

#include "runtime/cli/pod_client.hpp"
#include "runtime/cli/terminal.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <string_view>

namespace tayfa {

struct wait_options {
  std::chrono::milliseconds limit{0}; ///< 0 waits for ever
  bool quiet = false;                 ///< prints nothing while waiting
  /// Called with each chunk that the job streams, as JSON text. Empty: chunks are not read.
  std::function<void(std::string_view)> on_chunk;
};

/// The answer of /status once the job has ended. Ctrl-C cancels the job: if that succeeded, the
/// error is exit_interrupted; if the job ended first, its final answer is returned.
command_result<boost::json::object> wait_for_end(const pod_client&, const job_id&,
                                                 const wait_options&, interrupts&);

} // namespace tayfa
