// Waiting for a job's end: on the pod's events where it tells them, by asking again where it does
// not, and through a pod that is gone for a moment.
#pragma once

#include "cluster/program/client/pod_client.hpp"
#include "cluster/program/client/terminal.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <string_view>

namespace tayfa {

struct wait_options {
  std::chrono::milliseconds limit{0}; ///< 0 waits for ever
  bool quiet = false;                 ///< says nothing while it waits
  /// Called with each chunk that the job streams, as JSON text. Empty: the chunks stay there.
  std::function<void(std::string_view)> on_chunk;
};

/// The answer of /status once the job has ended. A Ctrl-C cancels the job; when that took, the
/// error is exit_interrupted, and when the job had ended before, its end is the answer all the
/// same.
command_result<boost::json::object> wait_for_end(const pod_client&, const job_id&,
                                                 const wait_options&, interrupts&);

} // namespace tayfa
