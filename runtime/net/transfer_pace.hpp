// Judges whether one transfer makes progress: a stall limit and a least rate, instead of a limit
// for the whole. Pure; the time is always an argument.
//
// From begin() on time is divided into spans of `idle`. A transfer is too slow when nothing has
// moved for `idle`, or when a whole span has moved less than `least_rate` bytes a second. So a
// steady transfer is never cut, whatever its size, and a peer that sends an occasional byte is cut
// after one span: as soon as a limit for the whole would have done it.
#pragma once

#include "runtime/base/clock.hpp"

#include <chrono>
#include <cstdint>

namespace tayfa {

class transfer_pace {
 public:
  struct limits {
    std::chrono::nanoseconds idle{};
    std::uint64_t least_rate = 1; ///< bytes a second
  };

  /// Starts a transfer, or its next part (the request is sent, the answer is to come).
  void begin(limits, moment now);
  /// Counts bytes, however late they are noticed: only keeps_up() judges.
  void moved(std::uint64_t bytes, moment now);
  /// Closes the span if it is over. False: too slow.
  bool keeps_up(moment now);
  /// Latest time of the next call to keeps_up().
  moment due() const;

  /// Time of the latest progress; without any, the beginning.
  moment latest() const { return latest_; }
  /// True when it was slower than `rate` bytes a second over the latest span and the current one so
  /// far. False until `settled` after the beginning: its pace is not known yet.
  bool slower_than(std::uint64_t rate, moment now, std::chrono::nanoseconds settled) const;

 private:
  limits limits_;
  moment began_{};                 ///< of the transfer
  moment span_{};                  ///< of the current span
  moment span_before_{};           ///< of the span before; without one, of the current span
  moment latest_{};                ///< latest progress
  std::uint64_t moved_ = 0;        ///< in the current span
  std::uint64_t moved_before_ = 0; ///< in the span before
};

} // namespace tayfa
