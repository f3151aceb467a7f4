// A clock of a pod that has just been away: whatever has come due may not be judged yet, until the
// test says so.
#pragma once

#include "runtime/base/clock.hpp"

#include <condition_variable>
#include <mutex>

namespace tayfa::test {

class held_time final : public time_source {
 public:
  moment now() const override { return real_.now(); }
  std::chrono::system_clock::time_point wall() const override { return real_.wall(); }
  std::chrono::nanoseconds until(moment due) const override {
    const auto rest = real_.until(due);
    const std::lock_guard lock{mutex_};
    if (rest.count() > 0 || !held_) {
      return rest;
    }
    ++asked_;
    changed_.notify_all();
    return std::chrono::milliseconds{5};
  }

  /// Something was due so often, and was put off.
  bool wait_until_asked(int times) {
    std::unique_lock lock{mutex_};
    const int enough = asked_ + times;
    return changed_.wait_for(lock, std::chrono::seconds{20}, [&] { return asked_ >= enough; });
  }
  void let_go() {
    const std::lock_guard lock{mutex_};
    held_ = false;
  }

 private:
  system_time real_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int asked_ = 0;
  bool held_ = true;
};

} // namespace tayfa::test
