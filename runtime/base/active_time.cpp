#include "runtime/base/active_time.hpp"

#include <algorithm>

namespace tayfa {

moment active_time::at(moment real) const {
  const auto since = real - std::max(last_, resumed_);
  return base_ + std::clamp<moment::duration>(since, nanoseconds{0}, terms_.step);
}

active_time::nanoseconds active_time::tick(moment real) {
  const auto gap = real - last_;
  if (gap <= nanoseconds{0}) {
    return nanoseconds{0};
  }
  base_ = at(real);
  last_ = real;
  if (gap < terms_.pause) {
    return nanoseconds{0};
  }
  resumed_ = real + terms_.settle;
  return gap - terms_.step;
}

void active_time::ran(moment real) {
  if (real > last_) {
    base_ += std::max<moment::duration>(real - std::max(last_, resumed_), nanoseconds{0});
    last_ = real;
  }
}

active_time::nanoseconds active_time::until(moment due, moment real) const {
  const auto rest = std::max<moment::duration>(due - at(real), nanoseconds{0});
  const bool unseen = real - last_ >= terms_.pause; // a pause that no tick has found yet
  const auto still =
      unseen ? terms_.settle : std::max<moment::duration>(resumed_ - real, nanoseconds{0});
  return rest + still;
}

} // namespace tayfa
