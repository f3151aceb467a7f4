// What happens in the pod, for whoever watches (GET /events): job and lifecycle changes, numbered.
//
// A bounded ring: a watcher that is too slow, or that comes back with the number of the last event
// it saw, gets what is still there, and is told when something is missing. Publishing never waits
// for anybody. Thread safe.
//
// Owner: the composition root; the queue publishes job changes (after they are durable), `move()`
// publishes the other machines' changes.
#pragma once

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
  std::string kind;    ///< "job", "pod", "engine", "ingress"
  std::string subject; ///< the job's id, or the worker
  std::string data;    ///< JSON object
};

class event_feed {
 public:
  explicit event_feed(std::size_t capacity = 4096) : capacity_(capacity) {}

  void publish(std::string_view kind, std::string_view subject, std::string data);
  /// Nobody listens: what would be published need not be rendered.
  bool idle() const;

  struct page {
    std::vector<feed_event> events;
    std::uint64_t last = 0;   ///< ask again with this number
    std::uint64_t missed = 0; ///< events that were gone already
  };
  /// What came after `number`; at most `most` events, of this subject (empty = all).
  page after(std::uint64_t number, std::string_view subject, std::size_t most) const;
  std::uint64_t last() const;

  /// `wake` is called, from any thread and without locks held, when there is something new. Returns
  /// a ticket for unwatch(), after which it is not called any more.
  std::uint64_t watch(std::function<void()> wake);
  void unwatch(std::uint64_t ticket);

 private:
  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<feed_event> ring_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::shared_ptr<const std::function<void()>>> watchers_;
  std::uint64_t tickets_ = 0;
};

} // namespace tayfa
