#include "runtime/pods_net/task_thread.hpp"

#include <poll.h>

namespace tayfa::pods {

task_thread::task_thread(std::function<void()> at_times, std::chrono::milliseconds pause)
    : at_times_(std::move(at_times)), pause_(pause), thread_([this] { run(); }) {}

void task_thread::stop() {
  inbox_.stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void task_thread::run() {
  for (;;) {
    pollfd waits{inbox_.descriptor(), POLLIN, 0};
    ::poll(&waits, 1, static_cast<int>(pause_.count()));
    auto batch = inbox_.take();
    for (const auto& task : batch.commands) {
      task();
    }
    if (batch.stopping) {
      return;
    }
    if (at_times_) {
      at_times_();
    }
  }
}

} // namespace tayfa::pods
