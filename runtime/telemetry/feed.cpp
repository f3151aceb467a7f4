#include "runtime/telemetry/feed.hpp"

#include <algorithm>

namespace tayfa {

namespace {

std::size_t size_of(const feed_event& event) {
  return sizeof event + event.kind.size() + event.subject.size() + event.data.size() +
         event.endpoint.size();
}

} // namespace

event_feed::event_feed(std::size_t capacity, std::uint64_t base)
    : capacity_(std::max<std::size_t>(capacity, 1)), base_(base), last_(base) {}

bool event_feed::interest::covers(const feed_event& event) const {
  const bool of_endpoint =
      endpoints.empty() || event.endpoint.empty() ||
      std::find(endpoints.begin(), endpoints.end(), event.endpoint) != endpoints.end();
  return of_endpoint && (subject.empty() || event.subject == subject);
}

void event_feed::publish(std::string_view kind, std::string_view subject, std::string data,
                         std::string_view endpoint) {
  if (data.size() > data_bytes_max) {
    data = R"({"omittedBytes":)" + std::to_string(data.size()) + '}';
  }
  std::vector<std::shared_ptr<watcher>> watchers;
  {
    const std::lock_guard lock{mutex_};
    ring_.push_back(
        {++last_, std::string{kind}, std::string{subject}, std::move(data), std::string{endpoint}});
    bytes_ += size_of(ring_.back());
    while (ring_.size() > capacity_ || (bytes_ > bytes_max && ring_.size() > 1)) {
      bytes_ -= size_of(ring_.front());
      ring_.pop_front();
    }
    watchers.reserve(watchers_.size());
    for (const auto& [ticket, w] : watchers_) {
      watchers.push_back(w);
    }
  }
  for (const auto& w : watchers) {
    const std::lock_guard lock{w->mutex};
    if (w->on) {
      w->wake();
    }
  }
}

event_feed::page event_feed::after(std::uint64_t number, const interest& wanted,
                                   std::size_t most) const {
  page found;
  const std::lock_guard lock{mutex_};
  found.restarted = number > last_ || number < base_;
  const std::uint64_t oldest = first();
  std::uint64_t next = found.restarted ? oldest : number + 1;
  if (next < oldest) {
    found.missed = oldest - next;
    next = oldest;
  }
  for (; next <= last_ && found.events.size() < most; ++next) {
    const auto& event = ring_[static_cast<std::size_t>(next - oldest)];
    if (wanted.covers(event)) {
      found.events.push_back(event);
    }
  }
  found.last = next - 1;
  return found;
}

std::uint64_t event_feed::last() const {
  const std::lock_guard lock{mutex_};
  return last_;
}

std::uint64_t event_feed::watch(std::function<void()> wake) {
  auto added = std::make_shared<watcher>();
  added->wake = std::move(wake);
  const std::lock_guard lock{mutex_};
  watchers_.emplace(++tickets_, std::move(added));
  stay_awake();
  return tickets_;
}

void event_feed::unwatch(std::uint64_t ticket) {
  std::shared_ptr<watcher> removed;
  {
    const std::lock_guard lock{mutex_};
    const auto found = watchers_.find(ticket);
    if (found == watchers_.end()) {
      return;
    }
    removed = std::move(found->second);
    watchers_.erase(found);
  }
  // Waits for a call on another thread. A call on this thread continues safely: the caller keeps
  // the function alive.
  const std::lock_guard lock{removed->mutex};
  removed->on = false;
}

} // namespace tayfa
