// The host's socket: one ROUTER, owned by one thread that delivers all engine events in order.
//
// This thread delivers every event of an engine, including its start and end, so that for one
// incarnation the order is: engine_spawned, frames, engine_exited, nothing. An end is delivered
// only after the socket has been drained and a short time has passed in which bytes already written
// by the dead process may arrive.
//
// A frame must come from the routing id "slot#incarnation" of a known worker and contain the same
// ids; a known worker's other frames are reported as protocol_violation, an unknown peer's frames
// are dropped and counted.
//
// Each worker has a link (runtime/link): its connection may be lost and come back without a loss of
// frames. A message for a worker that is not connected waits for it, or ends with it. A worker that
// does not read gets a bounded backlog.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/inbox.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/host/spawn.hpp"
#include "runtime/link/link_state.hpp"
#include "runtime/telemetry/log.hpp"

#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <zmq.hpp>

namespace tayfa {

class frame_router {
 public:
  /// Throws zmq::error_t when the address cannot be bound.
  frame_router(const std::string& endpoint, std::chrono::milliseconds settle, event_log&);
  ~frame_router();
  frame_router(const frame_router&) = delete;
  frame_router& operator=(const frame_router&) = delete;

  /// From now on the worker's events go to the sink. Must precede every other call for that worker.
  void add(const worker_ref&, engine_sink);
  void send(const worker_ref&, const protocol::downstream&);
  /// Replaces a removed socket file: binds again at the same address, besides the old socket, which
  /// stays open for its connected peers. errc::io_error.
  result<void> bind_again(const std::string& endpoint);
  void spawned(const engine_spawned&);
  /// The worker's last event; the worker is erased once the sink has received it.
  void exited(const engine_exited&);
  /// Delivers pending events and ends the thread.
  void stop();

  std::uint64_t dropped_frames() const { return dropped_in_; }    ///< from unknown peers
  std::uint64_t dropped_messages() const { return dropped_out_; } ///< to peers that are gone

 private:
  struct adding {
    worker_ref worker;
    engine_sink sink;
  };
  struct sending {
    worker_ref worker;
    std::string frame; ///< with room for the link's header
  };
  struct binding {
    std::string endpoint;
    std::promise<result<void>> done;
  };
  using command = std::variant<adding, sending, engine_spawned, engine_exited, binding>;

  struct peer {
    peer(const worker_ref& who, engine_sink to)
        : worker(who), sink(std::move(to)),
          link({.self = runtime_incarnation, .peer = who.incarnation}) {}

    worker_ref worker;
    engine_sink sink;
    bool spawned = false;
    std::deque<engine_event> early; ///< frames read before engine_spawned was delivered
    link_state link;
    bool blocked = false; ///< the socket took no more; the link is flushed again later
    std::uint32_t violations = 0;
    std::optional<engine_exited> exit;
    moment exit_due{};
  };
  using peers = std::map<std::string, peer>; ///< by routing id

  void loop();
  int timeout_ms() const;
  void carry_out(command&);
  void on(adding&);
  void on(sending&);
  void on(engine_spawned&);
  void on(engine_exited&);
  void on(binding&);
  bool read_frames();
  void on_message(const std::string& id, zmq::message_t& body);
  void on_frame(peer&, std::span<const char> frame);
  void on_violation(peer&, error);
  void deliver(peer&, engine_event);
  void flush(const std::string& id, peer&);
  void retry_blocked();
  void report_exits(bool all);

  event_log& log_;
  std::chrono::milliseconds settle_;
  system_time time_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;

  // The router's thread only.
  peers peers_;
  std::size_t waiting_ = 0; ///< peers with an undelivered exit, or blocked

  std::atomic<std::uint64_t> dropped_in_{0};
  std::atomic<std::uint64_t> dropped_out_{0};

  inbox<command> inbox_;
  std::thread thread_;
};

} // namespace tayfa
