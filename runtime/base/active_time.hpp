// The time in which this process runs, as arithmetic over readings of the monotonic clock.
//
// A process that is stopped (SIGSTOP, a frozen container, a machine that is moved, a scheduler that
// gives it no turn) hears nothing while the monotonic clock goes on. Whoever judged others by that
// clock would take its own absence for their silence. So a thread ticks often, and of the time
// between two ticks at most `step` counts: the rest was a pause. After a long pause the time stands
// still for `settle` more, so that what has come meanwhile is served before anything is judged.
//
// Invariants: at() never falls, and never runs faster than the monotonic clock; it goes on as long
// as ticks come, however late each of them is.
// Not thread safe; no clock of its own (watched_time has one, the simulation another).
#pragma once

#include "runtime/base/clock.hpp"

#include <chrono>

namespace tayfa {

class active_time {
 public:
  using nanoseconds = std::chrono::nanoseconds;
  struct terms {
    nanoseconds step{std::chrono::milliseconds{100}};   ///< the most that counts between two ticks
    nanoseconds pause{std::chrono::milliseconds{500}};  ///< from here on a gap is a long pause
    nanoseconds settle{std::chrono::milliseconds{250}}; ///< to serve what has come meanwhile
  };

  explicit active_time(moment real) : active_time(real, terms{}) {}
  active_time(moment real, terms t) : terms_(t), last_(real), base_(real), resumed_(real) {}

  /// This process runs. Returns what the gap since the last tick had beyond a step, if it was a
  /// long pause; else zero.
  nanoseconds tick(moment real);
  /// It is known to have run all the time since the last tick.
  void ran(moment real);

  /// The active time. It equals the monotonic clock until the first pause.
  moment at(moment real) const;
  /// How long from `real` on, at least, until the active time has come to `due` and stands still no
  /// more; zero when that is so.
  nanoseconds until(moment due, moment real) const;
  /// All that has not counted so far.
  nanoseconds away() const { return last_ - base_; }

 private:
  terms terms_;
  moment last_;    ///< tick
  moment base_;    ///< the active time then
  moment resumed_; ///< the time goes on from here
};

} // namespace tayfa
