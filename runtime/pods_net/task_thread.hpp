// A thread that does one task after the other, in the order in which they were posted, and wakes up
// now and then in between. For work that may wait for a disk.
//
// Owner: the class whose tasks they are; its destructor ends the thread after the tasks that were
// posted before.
#pragma once

#include "runtime/base/inbox.hpp"

#include <chrono>
#include <functional>
#include <thread>

namespace tayfa::pods {

class task_thread {
 public:
  /// `at_times` is called on the thread after tasks, and about every `pause`; empty = never.
  explicit task_thread(std::function<void()> at_times = {},
                       std::chrono::milliseconds pause = std::chrono::milliseconds{-1});
  ~task_thread() { stop(); }
  task_thread(const task_thread&) = delete;
  task_thread& operator=(const task_thread&) = delete;

  /// Any thread; nothing is done after stop().
  void post(std::function<void()> task) { inbox_.post(std::move(task)); }
  /// Waits for the thread. Not to be called by a task.
  void stop();

 private:
  void run();

  inbox<std::function<void()>> inbox_;
  std::function<void()> at_times_;
  std::chrono::milliseconds pause_;
  std::thread thread_;
};

} // namespace tayfa::pods
