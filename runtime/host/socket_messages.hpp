// Link messages on ZeroMQ sockets: a ROUTER's [address, message], written without a copy of a large
// one, and read whatever a peer sends.
#pragma once

#include "runtime/link/link_state.hpp"

#include <cstdint>
#include <string>
#include <zmq.hpp>

namespace tayfa {

/// A large message is shared with the socket until it has been sent, a small one is copied.
zmq::message_t body_of(const link_message&);

enum class written : std::uint8_t {
  yes,
  later,       ///< the peer's queue is full
  unreachable, ///< the socket knows no such peer (any more)
};
/// Writes [address, message] to a ROUTER with ROUTER_MANDATORY, without waiting.
written send_addressed(zmq::socket_t&, const std::string& address, const link_message&);

/// Reads a message without waiting; false when there is none. `body` is empty when it has several
/// parts.
bool receive_one_part(zmq::socket_t&, zmq::message_t& body);
/// Reads a message of a ROUTER without waiting; false when there is none. Of a message that has not
/// exactly one part behind the address, `body` is empty.
bool receive_addressed(zmq::socket_t&, zmq::message_t& address, zmq::message_t& body);

} // namespace tayfa
