// Two ends of a link and the messages between them, moved by hand.
#pragma once

#include "runtime/link/link_state.hpp"

#include <deque>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::testing {

inline std::string with_room(const std::string& frame) {
  return std::string(data_header_bytes, '\0') + frame;
}

inline std::string frame_in(const link_message& message) {
  return message->substr(data_header_bytes);
}

inline envelope header_of(const link_message& message) {
  return read_envelope(*message).value().header;
}

/// An end of a link, the messages that it has put on the wire, and the frames that it has
/// delivered.
struct link_end {
  explicit link_end(const link_options& options) : state(options) {}

  bool send(const std::string& frame) {
    const bool taken = state.send(with_room(frame));
    flush();
    return taken;
  }
  void flush() {
    state.flush(now, [this](const link_message& m) {
      if (blocked) {
        return false;
      }
      wire.push_back(m);
      return true;
    });
  }
  void connected() {
    state.connected(now);
    flush();
  }
  result<link_arrival> take(const std::string& bytes) {
    auto arrival = state.receive(bytes, now);
    if (arrival && !arrival->frame.empty()) {
      delivered.emplace_back(arrival->frame.begin(), arrival->frame.end());
    }
    if (arrival) {
      for (const auto& message : arrival->lost) {
        lost.push_back(frame_in(message));
      }
      new_peers += arrival->new_peer ? 1 : 0;
    }
    flush();
    return arrival;
  }

  link_state state;
  std::deque<link_message> wire; ///< sent and not received
  std::vector<std::string> delivered;
  std::vector<std::string> lost;
  int new_peers = 0;
  bool blocked = false;
  moment now{std::chrono::hours{1}};
};

/// Moves what is under way, until nothing is.
inline void settle(link_end& a, link_end& b) {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      while (!from->wire.empty()) {
        const auto message = from->wire.front();
        from->wire.pop_front();
        const auto taken = to->take(*message);
        EXPECT_TRUE(taken.has_value()) << taken.error().text;
        moved = true;
      }
    }
  }
}

inline void pass(link_end& a, link_end& b, std::chrono::nanoseconds span) {
  a.now += span;
  b.now += span;
}

} // namespace tayfa::testing
