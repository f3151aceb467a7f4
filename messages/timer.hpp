// Messages that an actor sends itself, and the question whether an actor still answers.
#pragma once

#include <chrono>
#include <cstdint>

namespace tayfa {

/// The content of an actor's own timer; `ticket` tells an old one from the current one.
struct due_timer {
  std::uint64_t ticket = 0;
  std::uint32_t topic = 0; ///< each actor's own enum
};
/// It may come too early, because the system's timers go on while the pod does not run: only
/// when_due() (actors/common.hpp) unpacks it.
struct timer {
  due_timer what;
  std::chrono::nanoseconds due{0}; ///< on the pod's clock; 0 = at once
};
struct liveness_answer {};
/// Asked by health; answered at once by an actor that is not stuck.
struct liveness_probe {
  using answer = liveness_answer;
};

} // namespace tayfa
