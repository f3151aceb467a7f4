// The link between a head and its pods, as the other actors see it. Plain values that never leave
// the process.
#pragma once

#include "messages/error.hpp"

#include <string>

namespace tayfa {

/// The address for pods cannot be listened at, or the pod's results cannot be read: the process
/// must end.
struct link_failed {
  error why;
};
/// From head_link: the head of this pod answers, or does not (any more).
struct link_moved {
  bool linked = false;
  std::string head; ///< its address
};

struct durable_answer {
  result<void> how;
};
/// To the queue: answered when all that it has decided by now is durable.
struct await_durable {
  using answer = durable_answer;
};

} // namespace tayfa
