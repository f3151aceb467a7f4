// The pod's event feed for GET /events: job and lifecycle changes, numbered.
//
// A bounded ring: a client that is too slow, or that resumes after its last event number, gets what
// is still there and is notified when events are missing. Publishing never blocks on a reader.
// Thread safe.
//
// Numbers increase without gaps within one feed. A `base` that increases from one runtime to the
// next (the wall clock in milliseconds, say) lets a client of an earlier runtime detect the change.
//
// Owner: the composition root; the queue publishes job changes (after they are durable), `move()`
// publishes changes of the other state machines.
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
  /// The ring holds `capacity` events and bytes_max bytes; an event whose data exceeds
  /// data_bytes_max is published with the data's size in place of the data.
  static constexpr std::size_t bytes_max = std::size_t{8} << 20;
  static constexpr std::size_t data_bytes_max = std::size_t{16} << 10;

  static constexpr std::size_t capacity_usual = 4096;

  explicit event_feed(std::size_t capacity = capacity_usual, std::uint64_t base = 0);

  void publish(std::string_view kind, std::string_view subject, std::string data,
               std::string_view endpoint = {});
  /// True while the feed was never read: events need not be rendered. After the first reader the
  /// feed stays awake, since readers may come back and ask for missed events.
  bool idle() const { return !awake_.load(std::memory_order_relaxed); }
  /// A reader will come and needs the events from now on.
  void stay_awake() { awake_.store(true, std::memory_order_relaxed); }

  struct page {
    std::vector<feed_event> events;
    std::uint64_t last = 0;   ///< pass this number to the next call
    std::uint64_t missed = 0; ///< dropped events, of any subject
    bool restarted = false;   ///< `number` is from another feed: the number of missing events is
                              ///< unknown
  };
  /// A reader's filter.
  struct interest {
    std::string subject{};                ///< empty = all
    std::vector<std::string> endpoints{}; ///< jobs of these endpoints only, plus events that
                                          ///< concern no job; empty = all
    bool covers(const feed_event&) const;
  };
  /// The wanted events after `number`; at most `most`.
  page after(std::uint64_t number, const interest&, std::size_t most) const;
  std::uint64_t last() const;
  /// All events of this feed have larger numbers.
  std::uint64_t base() const { return base_; }

  /// `wake` is called for new events, from any thread and without the feed's locks held. Returns a
  /// ticket for unwatch(). After unwatch() returns, `wake` is not called any more and no call of it
  /// is running on another thread; so `wake` must not wait for such a thread.
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
