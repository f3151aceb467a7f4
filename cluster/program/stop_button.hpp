// Carries signals, and the end of a test, to the supervisor. Any thread.
#pragma once

#include "messages/interfaces.hpp"

#include <csignal>
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
    } else {
      early_.emplace_back(reason);
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
};

} // namespace tayfa
