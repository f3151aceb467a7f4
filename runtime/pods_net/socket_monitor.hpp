// The events of a ZeroMQ socket's connections, read by a thread that does nothing else: a monitor
// that is not read stops the socket that it watches, after some 3,000 events.
//
// Owner: the owner of the watched socket; it ends the monitor before it closes the socket.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <zmq.hpp>

namespace tayfa::pods {

struct socket_event {
  std::uint16_t kind = 0;  ///< ZMQ_EVENT_…
  std::uint32_t value = 0; ///< a descriptor, an error or a status, by kind
  std::string endpoint;    ///< ours
};

/// The next event; waits for it unless `flags` say otherwise. Empty when there is none, or the
/// context has ended.
std::optional<socket_event> read_event(zmq::socket_t& monitor,
                                       zmq::recv_flags flags = zmq::recv_flags::none);
/// Lets `watched` report its events, and connects a socket that reads them. Throws zmq::error_t.
zmq::socket_t watch(zmq::context_t&, zmq::socket_t& watched, int kinds);

class socket_monitor {
 public:
  /// `on_event` and `on_failed` (the thread has ended, and nothing more is read) are called on the
  /// monitor's thread. Throws zmq::error_t.
  socket_monitor(zmq::context_t&, zmq::socket_t& watched, int kinds,
                 std::function<void(const socket_event&)> on_event,
                 std::function<void(const std::string&)> on_failed);
  ~socket_monitor();
  socket_monitor(const socket_monitor&) = delete;
  socket_monitor& operator=(const socket_monitor&) = delete;

  /// Ends the reports and the thread. To be called by the watched socket's thread, or after it.
  void stop();

 private:
  void run();

  zmq::socket_t& watched_;
  std::function<void(const socket_event&)> on_event_;
  std::function<void(const std::string&)> on_failed_;
  std::atomic<bool> stopping_{false};
  zmq::socket_t reader_;
  std::thread thread_;
};

} // namespace tayfa::pods
