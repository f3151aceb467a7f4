// The clock of a runtime that knows when it did not run: system_time without its own pauses.
//
// Owner: the composition root (cluster/program/serve), before everything that asks for the time.
// One thread ticks; whoever reads between a pause and the next tick gets the right time as well,
// because a reading counts the gap like a tick (active_time). Thread safe.
#pragma once

#include "runtime/base/active_time.hpp"
#include "runtime/base/clock.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace tayfa {

class watched_time final : public time_source {
 public:
  /// `paused` hears of each long pause, on the clock's own thread.
  explicit watched_time(std::function<void(std::chrono::milliseconds)> paused = {});
  ~watched_time() override;
  watched_time(const watched_time&) = delete;
  watched_time& operator=(const watched_time&) = delete;

  moment now() const override;
  std::chrono::system_clock::time_point wall() const override;
  std::chrono::nanoseconds until(moment due) const override;

 private:
  void watch();

  const std::function<void(std::chrono::milliseconds)> paused_;
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  active_time active_;
  std::thread thread_;
};

} // namespace tayfa
