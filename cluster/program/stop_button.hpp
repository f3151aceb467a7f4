// Carries signals, and the end of a test, to the supervisor. Any thread.
#pragma once

#include "messages/interfaces.hpp"

#include <csignal>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

/// Carries signals to the supervisor, also those that arrive before it exists.
class stop_button {
 public:
  void press(int signal) {
    press(signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "SIGHUP");
  }
  void press(const char* reason) {
    const std::lock_guard guard{mutex_};
    if (target_) {
      caf::anon_send(target_, stop_pod{reason});
      return;
    }
    early_.emplace_back(reason);
    if (wake_) {
      wake_();
    }
  }
  /// Called at once when it has been pressed before there is a supervisor, and when that happens;
  /// empty = nobody waits. Must only take note.
  void wake(std::function<void()> wake) {
    const std::lock_guard guard{mutex_};
    wake_ = std::move(wake);
    if (wake_ && !early_.empty()) {
      wake_();
    }
  }
  void connect(const supervisor_actor& target) {
    const std::lock_guard guard{mutex_};
    target_ = target;
    for (auto& reason : early_) {
      caf::anon_send(target_, stop_pod{std::move(reason)});
    }
    early_.clear();
  }
  void disconnect() {
    const std::lock_guard guard{mutex_};
    target_ = nullptr;
  }

 private:
  std::mutex mutex_;
  supervisor_actor target_;
  std::vector<std::string> early_;
  std::function<void()> wake_;
};

} // namespace tayfa
