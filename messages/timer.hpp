// Messages that an actor sends itself, and the question whether an actor still answers.
#pragma once

#include <chrono>
#include <cstdint>

namespace tayfa {

/// The content of an actor's own timer; `ticket` distinguishes an old timer from the current one.
struct due_timer {
  std::uint64_t ticket = 0;
  std::uint32_t topic = 0; ///< each actor's own enum
};
/// A timer may arrive too early, because the system's timers go on while the pod does not run. So
/// only when_due() (actors/common.hpp) unpacks it.
struct timer {
  due_timer what;
  std::chrono::nanoseconds due{0}; ///< on the pod's clock; 0 = at once
};
struct liveness_answer {};
/// A question of the health actor. An actor that is not stuck answers at once.
struct liveness_probe {
  using answer = liveness_answer;
};

} // namespace tayfa
