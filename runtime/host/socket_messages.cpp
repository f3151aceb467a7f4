#include "runtime/host/socket_messages.hpp"

#include <cerrno>
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

written send_addressed(zmq::socket_t& socket, const std::string& address,
                       const link_message& message) {
  if (zmq_send(socket.handle(), address.data(), address.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
    return zmq_errno() == EAGAIN ? written::later : written::unreachable;
  }
  // ZeroMQ accepts the body whenever it accepted the address.
  auto body = body_of(message);
  return zmq_msg_send(body.handle(), socket.handle(), ZMQ_DONTWAIT) < 0 ? written::unreachable
                                                                        : written::yes;
}

bool receive_one_part(zmq::socket_t& socket, zmq::message_t& body) {
  if (!socket.recv(body, zmq::recv_flags::dontwait)) {
    return false;
  }
  // The parts of a message arrive together, so nothing below waits.
  for (bool more = body.more(); more;) {
    zmq::message_t rest;
    more = socket.recv(rest).has_value() && rest.more();
    body.rebuild();
  }
  return true;
}

bool receive_addressed(zmq::socket_t& socket, zmq::message_t& address, zmq::message_t& body) {
  if (!socket.recv(address, zmq::recv_flags::dontwait)) {
    return false;
  }
  if (!address.more() || !receive_one_part(socket, body)) {
    body.rebuild();
  }
  return true;
}

} // namespace tayfa
