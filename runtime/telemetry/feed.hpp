// What happens in the pod, for whoever watches (GET /events): job and lifecycle changes, numbered.
//
// A bounded ring: a watcher that is too slow, or that comes back with the number of the last event
// it saw, gets what is still there, and is told when something is missing. Publishing never waits
// for anybody. Thread safe.
//
// Numbers only grow within one feed, without gaps. A `base` that only grows from one runtime to the
// next (the wall clock in milliseconds, say) lets a watcher that saw an earlier runtime be told so.
//
// Owner: the composition root; the queue publishes job changes (after they are durable), `move()`
// publishes the other machines' changes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

struct feed_event {
  std::uint64_t number = 0;
  std::string kind;       ///< "job", "pod", "engine", "ingress"
  std::string subject;    ///< the job's id, or the worker
  std::string data;       ///< JSON object
  std::string endpoint{}; ///< of a job; empty = the event is about the pod
};

class event_feed {
 public:
  /// The ring holds `capacity` events and bytes_max bytes of them; an event whose data is larger
  /// than data_bytes_max goes out with its size in place of its data.
  static constexpr std::size_t bytes_max = std::size_t{8} << 20;
  static constexpr std::size_t data_bytes_max = std::size_t{16} << 10;

  static constexpr std::size_t capacity_usual = 4096;

  explicit event_feed(std::size_t capacity = capacity_usual, std::uint64_t base = 0);

  void publish(std::string_view kind, std::string_view subject, std::string data,
               std::string_view endpoint = {});
  /// Nobody has ever watched: what would be published need not be rendered. Once somebody has, it
  /// may come back and ask what it missed, so the feed stays awake.
  bool idle() const { return !awake_.load(std::memory_order_relaxed); }
  /// Somebody will watch, and wants what happens from now on.
  void stay_awake() { awake_.store(true, std::memory_order_relaxed); }

  struct page {
    std::vector<feed_event> events;
    std::uint64_t last = 0;   ///< ask again with this number
    std::uint64_t missed = 0; ///< events that were gone already, of any subject
    bool restarted = false;   ///< `number` is of another feed: how many are missing is not known
  };
  /// Which events are wanted.
  struct interest {
    std::string subject{};                ///< empty = all
    std::vector<std::string> endpoints{}; ///< jobs of these only, and what is no job; empty = all
    bool covers(const feed_event&) const;
  };
  /// What came after `number` and is wanted; at most `most` events.
  page after(std::uint64_t number, const interest&, std::size_t most) const;
  std::uint64_t last() const;
  /// Everything in this feed came after it.
  std::uint64_t base() const { return base_; }

  /// `wake` is called, from any thread and without the feed's locks held, when there is something
  /// new. Returns a ticket for unwatch(). When unwatch() has returned, `wake` is not called any
  /// more and no call of it is under way on another thread; `wake` must not wait for such a thread.
  std::uint64_t watch(std::function<void()> wake);
  void unwatch(std::uint64_t ticket);

 private:
  struct watcher {
    std::recursive_mutex mutex; ///< recursive: `wake` may unwatch itself
    std::function<void()> wake;
    bool on = true; ///< until unwatch()
  };

  std::uint64_t first() const { return last_ - ring_.size() + 1; }

  const std::size_t capacity_;
  const std::uint64_t base_;
  mutable std::mutex mutex_;
  std::deque<feed_event> ring_;
  std::size_t bytes_ = 0;
  std::uint64_t last_;
  std::map<std::uint64_t, std::shared_ptr<watcher>> watchers_;
  std::uint64_t tickets_ = 0;
  std::atomic<bool> awake_{false};
};

} // namespace tayfa
