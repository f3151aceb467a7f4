// The results that a pod keeps until its head has them, as the actor head_link reaches them: each
// operation is done by a thread that may wait for a disk, one after the other, in order.
//
// One side is a thread over kept_results (runtime/pods_net), the other is the simulation's. Thread
// safe. Callbacks come from the implementation's thread, each once, or never when the port ends.
#pragma once

#include "runtime/pods/pod_session.hpp"

#include <functional>
#include <vector>

namespace tayfa::pods {

class result_port {
 public:
  virtual ~result_port() = default;
  /// Begins anew with what is there; callbacks of earlier operations may still come.
  virtual void open(std::function<void(result<std::vector<kept_result>>)> done) = 0;
  /// `done` when it is durable. errc::storage_full: there is no room, on the disk or by the limits.
  virtual void keep(protocol::finished, std::function<void(result<void>)> done) = 0;
  virtual void read(attempt_ref, std::function<void(result<protocol::finished>)> done) = 0;
  virtual void remove(attempt_ref) = 0;
};

} // namespace tayfa::pods
