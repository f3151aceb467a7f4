// Frames of the pod protocol: encode ours, decode theirs.
//
// Bytes are untrusted, as in codec.hpp: a decoded message is whole and valid, or the frame is
// errc::bad_frame with the rule that it breaks.
#pragma once

#include "messages/codec.hpp"
#include "messages/pod_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tayfa::pod_protocol {

using protocol::frame;

/// The frame, behind `room` bytes for the link's header. `version` is the one that was agreed.
std::string encode(std::uint32_t version, const worker_ref&, const upstream&, std::size_t room = 0);
std::string encode(std::uint32_t version, const worker_ref&, const downstream&,
                   std::size_t room = 0);

/// Frames of another version are refused, except those of a greeting (pod_protocol.hpp).
result<frame<upstream>> decode_upstream(std::uint32_t version, std::span<const char> bytes);
result<frame<downstream>> decode_downstream(std::uint32_t version, std::span<const char> bytes);

} // namespace tayfa::pod_protocol
