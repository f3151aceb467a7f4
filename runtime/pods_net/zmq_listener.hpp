// The head's side of the pod link over ZeroMQ: one ROUTER with CURVE, and ZAP in front of it.
//
// Order of start: context, ZAP handler, ROUTER, monitor, bind; of the end: the reverse. So there is
// no moment in which a peer could connect and nobody decides about it. Events are delivered by the
// ROUTER's thread. Threads: the ROUTER's, the ZAP handler's, the monitor's, libzmq's two; none per
// pod.
//
// A connection begins with its first message, which proves its key (User-Id) and names its
// descriptor; its identity for the application is its connection_id, never the routing id, which
// peers may choose. It ends when libzmq has closed it, when it is dropped, or when its key or
// descriptor changes under the same routing id.
//
// Invariants: nothing is delivered of a connection after drop() has returned, but `gone`; at a
// local endpoint (ipc, loopback) the keys may be left out, elsewhere never; what a peer can make
// this process keep is bounded, before and after its handshake.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/pods/transport.hpp"
#include "runtime/pods_net/accepted_sockets.hpp"
#include "runtime/pods_net/delivery_budget.hpp"
#include "runtime/pods_net/send_queue.hpp"
#include "runtime/pods_net/socket_limits.hpp"
#include "runtime/pods_net/zap_handler.hpp"
#include "runtime/telemetry/log.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace tayfa::pods {

struct listener_limits {
  socket_limits sockets{};
  accept_limits accepted{};
  send_limits sends{};
  delivery_limits delivered{};
  /// Bytes that may arrive on a connection without one whole message: libzmq bounds neither the
  /// number of parts nor the size of a message of many parts.
  std::uint64_t unfinished_message_bytes = std::uint64_t{32} << 20;
  /// A ZAP handler that is at one request for so long has hung.
  std::chrono::nanoseconds handler_patience = std::chrono::seconds{5};
};

struct listener_counters {
  std::uint64_t connections = 0; ///< now
  std::uint64_t unfinished = 0;  ///< handshakes, now
  std::uint64_t refused = 0;     ///< by key, by a limit, or without a complete handshake
  std::uint64_t cut = 0;         ///< connections ended by the listener itself
  std::uint64_t late = 0;        ///< messages of connections that had ended
  std::uint64_t zap_failures = 0;
};

class zmq_listener final : public pod_listener {
 public:
  /// `time` and `log` outlive it. `deciding` is for tests, see zap_handler::events.
  zmq_listener(const time_source& time, event_log& log, listener_limits limits = {},
               std::function<void(const zap_request&)> deciding = {});
  ~zmq_listener() override;

  /// errc::wrong_state when it is open; bad_config for an endpoint beyond this machine without
  /// keys; unfit without CURVE or with too few descriptors; port_in_use; else io_error, bad_usage.
  result<std::string> open(const listen_options&,
                           std::function<void(listener_event)> on_event) override;
  sent send(connection_id, const link_message&) override;
  /// Waits for the delivery of an event, so the sink must not wait for its caller.
  void drop(connection_id) override;
  void admit(std::shared_ptr<const admitted>) override;
  result<std::string> add_endpoint(const listen_options&) override;
  result<void> remove_endpoint(const std::string& endpoint) override;
  /// Not to be called by the sink.
  void close() override;

  listener_counters counters() const;

 private:
  class running;
  std::shared_ptr<running> get() const;

  const time_source& time_;
  event_log& log_;
  const listener_limits limits_;
  const std::function<void(const zap_request&)> deciding_;
  mutable std::mutex mutex_; ///< of the following
  std::shared_ptr<running> running_;
  std::shared_ptr<const admitted> list_;
};

} // namespace tayfa::pods
