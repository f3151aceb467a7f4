// The pod's side of the pod link over ZeroMQ: one DEALER for each try, because a DEALER that was
// refused never connects again, and one that retries by itself cannot say why it fails.
//
// One thread has the socket, its monitor and the reports; a single try makes too few events to fill
// the monitor. Names are resolved before, on a thread that may be left behind, since the resolver
// cannot be interrupted. All addresses of a name are tried, one after the other.
//
// How the ends are distinguished (measured with libzmq 4.3.4): a refused key is answered with 400.
// A head with another key closes the connection during the handshake without a reason, as does one
// that is too busy, so only several of these in a row mean a wrong key.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/inbox.hpp"
#include "runtime/pods/transport.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/send_queue.hpp"
#include "runtime/pods_net/socket_limits.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>
#include <zmq.hpp>

namespace tayfa::pods {

struct connector_limits {
  socket_limits sockets{.high_water_in = 64};
  send_limits sends{};
  std::chrono::milliseconds connect{3'000}; ///< of TCP, for each address
  unsigned unexplained_ends = 5;            ///< of handshakes, in a row: then the key is wrong
};

class zmq_connector final : public head_connector {
 public:
  /// `time` outlives it.
  explicit zmq_connector(const time_source& time, connector_limits limits = {});
  ~zmq_connector() override;
  zmq_connector(const zmq_connector&) = delete;
  zmq_connector& operator=(const zmq_connector&) = delete;

  void connect(const connect_options&, std::function<void(connector_event)> on_event) override;
  sent send(const link_message&) override;
  /// Waits for the delivery of an event, so the sink must not wait for its caller.
  void disconnect() override;

 private:
  using sink = std::function<void(connector_event)>;
  struct connecting {
    std::uint64_t attempt;
    connect_options options;
    sink on_event;
  };
  struct resolved {
    std::uint64_t attempt;
    result<std::vector<tcp_endpoint>> addresses;
  };
  struct writing {};
  struct disconnecting {};
  using command = std::variant<connecting, resolved, writing, disconnecting>;
  /// The try in hand.
  struct attempt {
    connecting asked;
    std::deque<tcp_endpoint> addresses{}; ///< to be tried
    std::string address{};                ///< that is being tried
    std::optional<zmq::socket_t> socket{};
    std::optional<zmq::socket_t> monitor{};
    bool connected = false;
    std::optional<connection_ended> end{}; ///< of this address
    moment due{};                          ///< the handshake must be complete
  };

  void run();
  void loop();
  int timeout_ms() const;
  void on(connecting&);
  void on(resolved&);
  void on(writing&) {}
  void on(disconnecting&);
  void try_next();
  void open(const tcp_endpoint&);
  void close();
  void read_events();
  void on_socket_event(std::uint16_t kind, std::uint32_t value);
  bool read_messages();
  void write_queue();
  void set_connected();
  void fail_address(cut, std::string);
  void end(connection_ended);
  void deliver(connector_event);
  connection_ended unexplained() const;

  const time_source& time_;
  const connector_limits limits_;
  zmq::context_t context_{1};
  std::shared_ptr<inbox<command>> inbox_ = std::make_shared<inbox<command>>();
  std::atomic<std::thread::id> own_thread_{};

  std::mutex mutex_; ///< of the queue and what is beside it
  send_queue queue_;
  std::uint64_t current_ = 0; ///< number of the try whose events are delivered; 0 = none
  std::uint64_t last_ = 0;
  bool open_ = false;   ///< the current try is connected
  bool posted_ = false; ///< a command to write is on its way
  std::mutex delivering_;

  // The connector's thread only.
  std::optional<attempt> attempt_;
  std::deque<link_message> writing_; ///< taken from the queue
  unsigned unexplained_ = 0;
  std::string unexplained_key_;
  std::thread thread_;
};

} // namespace tayfa::pods
