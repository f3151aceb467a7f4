// How often something arrives, learned: an exponentially forgetting count. Pure; time is an
// argument.
//
// Owner: the caller of placement (one for each model). Invariant: per_ms is never negative, and
// falls to nothing when nothing arrives.
#pragma once

#include "runtime/base/clock.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace tayfa {

class arrival_rate {
 public:
  static constexpr double horizon_ms = 60'000; ///< what is older counts for less than a third

  void arrived(moment now, double count = 1) {
    first_ = std::min(first_.value_or(now), now);
    count_ = counted(now) + count;
    last_ = std::max(last_, now);
  }
  double per_ms(moment now) const {
    if (!first_) {
      return 0;
    }
    // Early on the count covers only the time since the first arrival, at least one second.
    const double age = std::max(1'000.0, ms(now - *first_));
    return counted(now) / (horizon_ms * -std::expm1(-age / horizon_ms));
  }

 private:
  static double ms(moment::duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
  }
  double counted(moment now) const {
    return now > last_ ? count_ * std::exp(-ms(now - last_) / horizon_ms) : count_;
  }

  std::optional<moment> first_;
  moment last_{};
  double count_ = 0;
};

} // namespace tayfa
