// The limits of the pod link's ZeroMQ sockets; those of both ends must fit each other.
#pragma once

#include "messages/pod_values.hpp"

#include <chrono>
#include <cstddef>
#include <zmq.hpp>

namespace tayfa::pods {

struct socket_limits {
  int high_water_out = 64; ///< messages
  int high_water_in = 16;
  /// The largest message, with the link's header and CURVE's.
  std::size_t message_bytes = pod_protocol::frame_bytes_max + 1'024;
  std::chrono::milliseconds heartbeat{2'000};
  std::chrono::milliseconds heartbeat_timeout{6'000}; ///< at most 65 s, which is what ZMTP can say
  std::chrono::milliseconds handshake{5'000};
};

inline void apply(const socket_limits& limits, zmq::socket_t& socket) {
  const auto ms = [](std::chrono::milliseconds time) { return static_cast<int>(time.count()); };
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, limits.high_water_out);
  socket.set(zmq::sockopt::rcvhwm, limits.high_water_in);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits.message_bytes));
  socket.set(zmq::sockopt::heartbeat_ivl, ms(limits.heartbeat));
  socket.set(zmq::sockopt::heartbeat_timeout, ms(limits.heartbeat_timeout));
  socket.set(zmq::sockopt::heartbeat_ttl, ms(limits.heartbeat_timeout));
  socket.set(zmq::sockopt::handshake_ivl, ms(limits.handshake));
}

} // namespace tayfa::pods
