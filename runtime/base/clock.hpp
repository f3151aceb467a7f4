// Time as an argument. `now()` is monotonic and decides everything; `wall()` is for people only.
//
// Every limit on others (a heartbeat, a lease, a budget, a timeout) is a moment of this clock, and
// the clock of a pod (watched_time) stands still while the pod itself does not run: no pause of its
// own is ever taken for somebody else's silence. Timers of the operating system know nothing of
// that: whoever is woken by one asks until() first.
#pragma once

#include <algorithm>
#include <chrono>

namespace tayfa {

/// A moment on the monotonic clock of this runtime; meaningless outside of it.
using moment = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class time_source {
 public:
  virtual ~time_source() = default;
  virtual moment now() const = 0;
  virtual std::chrono::system_clock::time_point wall() const = 0;
  /// How long, at least, until `due` may be judged to have come; zero when it may. More than the
  /// difference to now() just after a pause: what has come meanwhile is to be served first.
  virtual std::chrono::nanoseconds until(moment due) const {
    return std::max<std::chrono::nanoseconds>(due - now(), std::chrono::nanoseconds{0});
  }
};

/// The clocks of the operating system.
class system_time final : public time_source {
 public:
  moment now() const override;
  std::chrono::system_clock::time_point wall() const override;
};

} // namespace tayfa
