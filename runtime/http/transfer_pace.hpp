// Is one transfer going on fast enough? A limit for standing still, and a least rate, instead of a
// limit for the whole. Pure; every moment is an argument.
//
// From begin() on time is cut into spans of `idle`. A transfer is too slow when nothing has moved
// for `idle`, or when a whole span has moved less than `least_rate` bytes a second. So whoever goes
// on steadily is never cut, whatever the size, and whoever sends a byte now and then is cut after
// one span: as soon as a limit for the whole would have done it.
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

  /// A new transfer, or the next part of one (a request has been sent, its answer is to come).
  void begin(limits, moment now);
  /// Bytes that have come count, however late they were seen: only keeps_up() judges.
  void moved(std::uint64_t bytes, moment now);
  /// Ends the span that is over. False: too slow.
  bool keeps_up(moment now);
  /// When keeps_up() has to be asked next, at the latest.
  moment due() const;

  /// When something moved; where nothing has, the beginning.
  moment latest() const { return latest_; }
  /// Has been slower than so many bytes a second over the latest span and what has passed of the
  /// current one. False until `settled` after the beginning: it could not show its pace yet.
  bool slower_than(std::uint64_t rate, moment now, std::chrono::nanoseconds settled) const;

 private:
  limits limits_;
  moment began_{};                 ///< the transfer
  moment span_{};                  ///< the current span
  moment span_before_{};           ///< the one before, or the current one where there is none
  moment latest_{};                ///< something moved
  std::uint64_t moved_ = 0;        ///< in the current span
  std::uint64_t moved_before_ = 0; ///< in the one before
};

} // namespace tayfa
