// A queue in front of one thread, which takes several items at a time where they can be joined.
// Adding is thread safe; waiting and taking are the one thread's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace tayfa::store {

/// How the next item joins those before it: not at all; as the last one; with more behind it.
enum class take_more : std::uint8_t { before, alone, after };

template <class Item>
class work_queue {
 public:
  void add(Item next) {
    bool was_empty = false;
    {
      const std::lock_guard guard{mutex_};
      was_empty = items_.empty();
      items_.push_back(std::move(next));
    }
    if (was_empty) {
      wake_.notify_one();
    }
  }
  /// Drops everything, and ends the wait.
  void stop() {
    std::deque<Item> dropped; // their owners may do anything when they go
    {
      const std::lock_guard guard{mutex_};
      stopped_ = true;
      dropped.swap(items_);
    }
    wake_.notify_one();
  }
  bool is_stopped() const {
    const std::lock_guard guard{mutex_};
    return stopped_;
  }
  /// True: there is an item. False: the time is over, or the queue was stopped.
  bool wait(std::chrono::milliseconds longest) {
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, longest, [&] { return stopped_ || !items_.empty(); });
    return !stopped_ && !items_.empty();
  }
  /// `joins` sees each item, and how many were taken before it.
  template <class Joins>
  std::vector<Item> take(Joins joins) {
    const std::lock_guard guard{mutex_};
    std::vector<Item> out;
    while (!items_.empty()) {
      const auto how = joins(items_.front(), out.size());
      if (how == take_more::before) {
        break;
      }
      out.push_back(std::move(items_.front()));
      items_.pop_front();
      if (how == take_more::alone) {
        break;
      }
    }
    return out;
  }

 private:
  mutable std::mutex mutex_; ///< guards the two below
  std::condition_variable wake_;
  std::deque<Item> items_;
  bool stopped_ = false;
};

} // namespace tayfa::store
