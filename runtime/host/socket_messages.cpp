#include "runtime/host/socket_messages.hpp"

#include <utility>

namespace tayfa {

namespace {

/// A message from this size on is handed over to the socket; a smaller one is cheaper to copy.
constexpr std::size_t handed_over = std::size_t{8} << 10;

} // namespace

zmq::message_t body_of(const link_message& message) {
  if (message->size() < handed_over) {
    return {message->data(), message->size()};
  }
  auto* held = new link_message(message);
  return {const_cast<char*>(message->data()), message->size(), // the socket only reads it
          [](void*, void* hint) { delete static_cast<link_message*>(hint); }, held};
}

bool receive_addressed(zmq::socket_t& socket, zmq::message_t& address, zmq::message_t& body) {
  if (!socket.recv(address, zmq::recv_flags::dontwait)) {
    return false;
  }
  bool one_part = address.more() && socket.recv(body).has_value();
  for (bool more = one_part && body.more(); more;) {
    zmq::message_t rest;
    one_part = false;
    more = socket.recv(rest).has_value() && rest.more();
  }
  if (!one_part) {
    body.rebuild();
  }
  return true;
}

} // namespace tayfa
