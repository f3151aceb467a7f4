// A scripted engine on a clock that is set by hand.
#pragma once

#include "runtime/engine/scripted.hpp"
#include "tests/unit/engine/fixture.hpp"

namespace tayfa::engine::test {

inline scripted_options device(const char* behavior) {
  return {parse_behavior(behavior).value()};
}

struct scripted : testing::Test {
  manual_time time;
  recorder out;
  scripted_engine make(scripted_options options = {}) { return {out, time, std::move(options)}; }
  void run_to_next(scripted_engine& e) {
    ASSERT_TRUE(e.next_wakeup().has_value());
    time.set(*e.next_wakeup());
    e.wake(time.now());
  }
};

} // namespace tayfa::engine::test
