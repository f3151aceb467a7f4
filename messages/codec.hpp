// Frames of the worker protocol: encode ours, decode theirs.
//
// Bytes are untrusted. decode_* is a pure function that either gives a whole, valid message or
// errc::bad_frame with the rule that was broken; it never throws, never allocates more than a small
// multiple of the frame, and refuses what is too large before it looks inside (msgpack's own
// defaults are unlimited).
#pragma once

#include "messages/protocol.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace tayfa::protocol {

/// Limits on every frame. A job's input or output is one string; pictures travel in it as base64.
inline constexpr std::size_t frame_bytes_max = std::size_t{96} << 20;
inline constexpr std::size_t text_bytes_max = std::size_t{64} << 10; ///< any string but a payload

template <class Body>
struct frame {
  worker_ref worker; ///< who it is from (upstream) or for (downstream)
  Body body;
};

/// The frame, behind `room` bytes for the header of what carries it (runtime/link).
std::string encode(const worker_ref&, const upstream&, std::size_t room = 0);
std::string encode(const worker_ref&, const downstream&, std::size_t room = 0);

result<frame<upstream>> decode_upstream(std::span<const char> bytes);
result<frame<downstream>> decode_downstream(std::span<const char> bytes);

} // namespace tayfa::protocol
