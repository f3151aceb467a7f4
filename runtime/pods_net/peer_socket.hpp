// Descriptors of libzmq's TCP connections, seen from outside of libzmq: it has no call that closes
// a peer's connection. Every function is safe for a descriptor that is closed, or that is another
// file by now; within microseconds a number may change hands, then that connection is reset.
#pragma once

#include "runtime/pods_net/accepted_sockets.hpp"

#include <optional>
#include <string>

namespace tayfa::pods {

/// The other end; "ipc" for one on this machine. Empty when it is no connected socket.
std::optional<peer_name> peer_of(int fd);
/// "::ffff:192.0.2.1" is an IPv4 peer of an IPv6 socket: its own address.
std::string plain_address(std::string);
/// The endpoint of our own end, as libzmq writes it ("tcp://127.0.0.1:7000").
std::optional<std::string> own_endpoint(int fd);
/// Ends the connection in both directions if its peer is this one; libzmq then closes it.
bool shut_down(int fd, const std::string& whole_peer_name);

} // namespace tayfa::pods
