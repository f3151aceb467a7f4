// Link messages on ZeroMQ sockets: a ROUTER's [address, message], written without a copy of a large
// one, and read whatever a peer sends.
#pragma once

#include "runtime/link/link_state.hpp"

#include <zmq.hpp>

namespace tayfa {

/// A large message is shared with the socket until it has been sent, a small one is copied.
zmq::message_t body_of(const link_message&);

/// One message of a ROUTER, without waiting; false when there is none. Of a message that has not
/// exactly one part behind the address, `body` is empty.
bool receive_addressed(zmq::socket_t&, zmq::message_t& address, zmq::message_t& body);

} // namespace tayfa
