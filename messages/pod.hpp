// The pod's life: the messages between the supervisor and the other actors when the pod starts,
// serves and stops. Plain values that never leave the process.
#pragma once

#include "messages/error.hpp"
#include "messages/lifecycle.hpp"

#include <string>

namespace tayfa {

struct start_pod {};
/// From a signal or a command. A second one forces: what still runs is killed.
struct stop_pod {
  std::string reason; ///< "SIGTERM"
};
struct http_bound {
  result<std::string> address;
};
struct http_closed {};
/// The pod moved, or became able or unable to serve. `ready` is what /ping says.
struct pod_moved {
  pod_state state = pod_state::CREATED;
  bool ready = false;
};
/// The queue's load crossed zero.
struct load_changed {
  bool waiting = false;     ///< at least one job waits
  bool running = false;     ///< at least one attempt runs
  bool undelivered = false; ///< a job of a platform has not ended, or its result is not delivered
};
struct queue_drained {};
struct part_stuck {
  std::string name;
};
/// From the queue: nothing can be made durable any more; the pod must end and recover.
struct store_failed {
  error why;
};
struct store_closed {};
/// Take no more and give out no more; queue_drained follows when nothing runs.
struct drain_queue {};
/// The drain budget is over: put the running jobs back.
struct hand_back_jobs {};

} // namespace tayfa
