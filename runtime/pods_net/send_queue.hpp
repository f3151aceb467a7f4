// Messages that wait for one connection's socket: bounded in number and bytes. Pure.
//
// Owner: the listener's connection, the connector; used under its owner's lock. Invariant: a `full`
// answer is followed by exactly one true of has_room_again(), once half of the room is free.
#pragma once

#include "runtime/link/link_state.hpp"

#include <cstddef>
#include <deque>
#include <utility>

namespace tayfa::pods {

struct send_limits {
  std::size_t messages = 64;
  std::size_t bytes = std::size_t{8} << 20;
};

class send_queue {
 public:
  /// False when the queue is full. A message larger than all of the bytes is taken alone.
  bool push(const link_message& message, const send_limits& most) {
    if (waiting_ >= most.messages || (waiting_ > 0 && bytes_ + message->size() > most.bytes)) {
      refused_ = true;
      return false;
    }
    ++waiting_;
    bytes_ += message->size();
    messages_.push_back(message);
    return true;
  }

  /// All that waits, to be written without the lock; each counts until written() says so.
  std::deque<link_message> take() { return std::exchange(messages_, {}); }
  void written(const link_message& message) {
    --waiting_;
    bytes_ -= message->size();
  }

  bool has_room_again(const send_limits& most) {
    return refused_ && waiting_ <= most.messages / 2 && bytes_ <= most.bytes / 2 &&
           std::exchange(refused_, false);
  }

  std::size_t waiting() const { return waiting_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::deque<link_message> messages_;
  std::size_t waiting_ = 0; ///< with those that were taken and are not written
  std::size_t bytes_ = 0;
  bool refused_ = false;
};

} // namespace tayfa::pods
