// The messages that a listener has delivered and that nobody has dealt with yet: so many, and then
// it reads no more, so that its peers wait instead of filling this process.
//
// Owner: the listener; each message carries a permit, whose end gives its room back. Thread safe;
// permits may outlive the listener.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace tayfa::pods {

struct delivery_limits {
  std::size_t messages = 4'096;
  std::uint64_t bytes = std::uint64_t{64} << 20;
};

class delivery_budget : public std::enable_shared_from_this<delivery_budget> {
 public:
  /// `has_room` is called, by any thread, when half of what was full is free again; it must only
  /// take note.
  delivery_budget(const delivery_limits& limits, std::function<void()> has_room)
      : limits_(limits), has_room_(std::move(has_room)) {}

  std::shared_ptr<const void> take(std::size_t bytes);
  /// Nothing more is to be read until `has_room`.
  bool full() const;
  /// `has_room` is not called any more.
  void close();

 private:
  struct permit;
  void give_back(std::size_t bytes);

  const delivery_limits limits_;
  mutable std::mutex mutex_;
  std::function<void()> has_room_;
  std::size_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  bool full_ = false;
};

} // namespace tayfa::pods
