// The clock of a runtime that detects when it did not run: system_time without the process's own
// pauses.
//
// Owner: the composition root (cluster/program/serve), before every user of the time. One thread
// ticks; a reading between a pause and the next tick is right as well, because it counts the gap
// like a tick (active_time). Thread safe.
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
  /// `paused` is called for each long pause, on the clock's own thread.
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
