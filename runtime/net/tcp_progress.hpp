// Progress of a TCP connection. A file of its own, because the kernel's header for it and the C
// library's exclude each other.
#pragma once

#include <cstdint>
#include <optional>

namespace tayfa {

/// Bytes that the peer has acknowledged since the connection began; empty where the kernel does not
/// report them.
std::optional<std::uint64_t> acknowledged_bytes(int socket);
/// Bytes that have arrived since the connection began, read or not; empty where the kernel does not
/// report them.
std::optional<std::uint64_t> arrived_bytes(int socket);
/// Bytes not acknowledged yet; the FIN counts as one.
std::optional<std::uint64_t> unacknowledged_bytes(int socket);

/// Enables TCP keepalive: the kernel probes a silent peer and ends the connection after two minutes
/// without a response, well before an idle connection's own limit.
void notice_vanished_peer(int socket);

} // namespace tayfa
