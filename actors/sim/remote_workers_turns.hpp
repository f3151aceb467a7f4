// Messages of a simulated remote worker to itself: what it does next, and the answers to its calls.
#pragma once

#include "runtime/api/call.hpp"

#include <caf/all.hpp>
#include <cstdint>
#include <string>

namespace tayfa::sim {

/// Something that the worker does at its time, unless its process has ended before.
struct remote_turn {
  enum class what : std::uint8_t {
    take,
    stops,
    ping,
    next_step,
    leave_poll,
    thaw,
    be_born,
    post_again,
    start_queued
  };
  std::uint32_t life = 0;
  what act = what::take;
  std::string job{};
  std::uint64_t poll = 0;
};
struct remote_answer {
  enum class about : std::uint8_t { take, stops, post, other };
  std::uint32_t life = 0;
  about what = about::other;
  std::uint64_t poll = 0;
  std::string job{};
  bool last = false;            ///< of a post: the job is over then
  std::string target{}, body{}; ///< of a post, which may be tried again
  unsigned tries = 0;
  api::response response{}; ///< status 0: the connection broke
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::remote_turn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::remote_answer)
