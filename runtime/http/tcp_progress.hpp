// How far a TCP connection has come. Apart from the rest of the room, because the kernel's header
// for it and the C library's exclude each other.
#pragma once

#include <cstdint>
#include <optional>

namespace tayfa {

/// Bytes that the other side has acknowledged since the connection began; nothing where the kernel
/// does not say.
std::optional<std::uint64_t> acknowledged_bytes(int socket);
/// Bytes (and the end of the stream, which counts as one) that it has not acknowledged yet.
std::optional<std::uint64_t> unacknowledged_bytes(int socket);

/// The kernel asks a silent peer for a sign of life, and ends the connection after two minutes
/// without one: an idle connection is kept longer than that.
void notice_vanished_peer(int socket);

} // namespace tayfa
