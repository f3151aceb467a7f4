// Time as an argument. `now()` is monotonic and decides everything; `wall()` is for people only.
#pragma once

#include <chrono>

namespace tayfa {

/// A moment on the monotonic clock of this runtime; meaningless outside of it.
using moment = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class time_source {
 public:
  virtual ~time_source() = default;
  virtual moment now() const = 0;
  virtual std::chrono::system_clock::time_point wall() const = 0;
};

/// The clocks of the operating system.
class system_time final : public time_source {
 public:
  moment now() const override;
  std::chrono::system_clock::time_point wall() const override;
};

} // namespace tayfa
