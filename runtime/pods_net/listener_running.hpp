// The parts of an open listener; see zmq_listener.hpp.
//
// Owner: zmq_listener, from open() to close(). `connections_` and the queues in it are shared by
// the callers of send() and drop() and the ROUTER's thread, under `mutex_`; `accepted_` by the
// monitor's thread, drop() and the ROUTER's, under its own. Neither lock is held while the sink is
// called; `delivering_` is.
#pragma once

#include "runtime/base/inbox.hpp"
#include "runtime/pods_net/socket_monitor.hpp"
#include "runtime/pods_net/zmq_listener.hpp"

#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
#include <zmq.hpp>

namespace tayfa::pods {

/// The next connection_id of this process.
connection_id new_connection_id();

class zmq_listener::running {
 public:
  using sink = std::function<void(listener_event)>;
  running(const time_source&, event_log&, const listener_limits&, sink);
  ~running();

  result<std::string> open(const listen_options&, std::shared_ptr<const admitted>,
                           const std::function<void(const zap_request&)>& deciding);
  sent send(connection_id, const link_message&);
  void drop(connection_id);
  void admit(std::shared_ptr<const admitted>);
  result<std::string> add_endpoint(const listen_options&);
  result<void> remove_endpoint(const std::string&);
  void close();
  listener_counters counters() const;

 private:
  struct connection {
    connection(connection_id number, std::string_view routing_id, std::string user, int descriptor)
        : id(number), route(routing_id), key(std::move(user)), fd(descriptor) {}

    const connection_id id;
    const std::string route; ///< routing id
    const std::string key;   ///< User-Id
    const int fd;

    std::atomic<bool> closed{false}; ///< dropped or ended: nothing in, nothing out
    send_queue queue{};              ///< under mutex_
    bool posted = false;             ///< a command to write its queue is on its way; under mutex_

    // The ROUTER's thread only.
    std::deque<link_message> writing{}; ///< taken from the queue
    bool reported_gone = false;
    moment forgotten_at{};           ///< closed: until then its late messages are recognised
    std::uint64_t messages = 0;      ///< received
    std::uint64_t messages_seen = 0; ///< at the last look at `arrived`
    std::uint64_t arrived = 0;       ///< bytes of the connection, when a message last arrived
  };
  using connection_ptr = std::shared_ptr<connection>;

  struct writing {
    connection_ptr to;
  };
  struct dropping {
    connection_ptr from;
  };
  struct ended {
    connection_id connection;
  };
  struct adding {
    listen_options options;
    std::promise<result<std::string>> done;
  };
  struct removing {
    std::string endpoint;
    std::promise<result<void>> done;
  };
  struct reporting {
    listener_event event;
  };
  struct reading_on {};
  using command = std::variant<writing, dropping, ended, adding, removing, reporting, reading_on>;

  // Other threads.
  void on_socket_event(const socket_event&);
  void on_accepted(int fd, const std::string& endpoint);
  void on_disconnected(int fd);
  void refuse(const std::string& address, std::string why);
  void fail_with(error why);

  // The ROUTER's thread.
  void loop();
  void run();
  int timeout_ms() const;
  void on(writing&);
  void on(dropping&);
  void on(ended&);
  void on(adding&);
  void on(removing&);
  void on(reporting&);
  void on(reading_on&) {}
  bool read_messages();
  void on_message(std::string_view route, zmq::message_t& body);
  connection_ptr begin(std::string_view route, const char* key, int fd);
  void write_queue(connection&);
  void end(const connection_ptr&);
  void end(connection_id);
  void deliver(connection&, listener_event);
  void look_around(moment now);
  void report_ends(bool all_read);
  void cut_endless_messages();
  bool is_admitted(const std::string& user) const;
  result<std::string> bind(const listen_options&);

  template <class Wanted, class Command>
  Wanted ask(Command command);

  const time_source& time_;
  event_log& log_;
  const listener_limits limits_;
  const sink sink_;

  std::shared_ptr<zmq::context_t> context_;
  std::unique_ptr<zap_handler> zap_;
  zmq::socket_t router_;
  std::unique_ptr<socket_monitor> monitor_;
  inbox<command> inbox_;
  std::shared_ptr<delivery_budget> delivered_;
  std::thread thread_;
  std::atomic<std::thread::id> own_thread_{};

  mutable std::mutex mutex_;
  std::unordered_map<connection_id, connection_ptr> connections_; ///< that are not closed
  mutable std::mutex accepted_mutex_;
  accepted_sockets accepted_;
  std::mutex delivering_;
  std::mutex refusing_; ///< of the four below
  moment refused_from_{};
  unsigned refused_now_ = 0;
  std::uint64_t refused_more_ = 0;
  std::uint64_t refused_keys_ = 0; ///< whose disconnection is not reported yet

  // The ROUTER's thread only.
  std::map<std::string, connection_ptr, std::less<>> by_route_;
  std::vector<connection_ptr> blocked_; ///< the socket took no more
  std::vector<connection_ptr> ending_;  ///< libzmq has closed them; `gone` follows what is read
  unsigned rounds_with_ends_ = 0;
  moment looked_at_{};
  moment arrivals_at_{};
  bool handler_hangs_ = false;

  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> cut_{0};
  std::atomic<std::uint64_t> late_{0};
  std::atomic<std::uint64_t> zap_failures_{0};
};

} // namespace tayfa::pods
