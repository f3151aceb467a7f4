// A clock that the test moves. The server's timers are real, and short beside it: whatever is due
// is judged a few milliseconds after the clock says so.
#pragma once

#include "runtime/base/clock.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace tayfa::test {

class manual_time final : public time_source {
 public:
  moment now() const override {
    const std::lock_guard lock{mutex_};
    ++asked_;
    judged_ += std::exchange(came_due_, false) ? 1 : 0;
    changed_.notify_all();
    return now_;
  }
  std::chrono::system_clock::time_point wall() const override { return {}; }
  std::chrono::nanoseconds until(moment due) const override {
    const std::lock_guard lock{mutex_};
    came_due_ = came_due_ || due <= now_;
    return std::clamp<std::chrono::nanoseconds>(due - now_, std::chrono::nanoseconds{0},
                                                std::chrono::milliseconds{2});
  }

  void advance(std::chrono::nanoseconds time) {
    const std::lock_guard lock{mutex_};
    now_ += time;
  }
  std::uint64_t asked() const {
    const std::lock_guard lock{mutex_};
    return asked_;
  }
  /// True once the server has read the time again: it has noticed an event.
  bool was_asked_since(std::uint64_t before,
                       std::chrono::milliseconds wait = std::chrono::seconds{20}) const {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, wait, [&] { return asked_ > before; });
  }
  std::uint64_t judged() const {
    const std::lock_guard lock{mutex_};
    return judged_;
  }
  /// Something that was due has been judged since then: by the time that it is now.
  bool was_judged_since(std::uint64_t before, std::chrono::milliseconds wait) const {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, wait, [&] { return judged_ > before; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::uint64_t asked_ = 0;
  mutable std::uint64_t judged_ = 0;
  mutable bool came_due_ = false;
  moment now_{std::chrono::hours{1}};
};

} // namespace tayfa::test
