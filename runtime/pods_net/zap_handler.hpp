// The handler of ZeroMQ's authentication protocol (ZAP, RFC 27): which peers get through the
// handshake. A thread of its own, which decides from memory only: handshakes are decided one after
// the other, so one that waits would hold up all.
//
// Owner: the listener, which starts it before any socket is bound and ends it after all have been
// closed; libzmq lets nobody in while it is away (ZAP_ENFORCE_DOMAIN). Invariants: without a list
// nobody is let in; a failure is one peer's answer (500: it may try again), and the thread goes on;
// a handler that fails again and again gives up and says so; a thread that hangs is left behind at
// the end, with its socket and the context.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/pods/transport.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <zmq.hpp>

namespace tayfa::pods {

/// The domains of the listener's sockets: CURVE is required in the first; the second is for
/// endpoints that only this machine reaches, and has no keys.
inline constexpr const char* curve_domain = "pods";
inline constexpr const char* local_domain = "pods-local";

struct zap_request {
  std::string domain;
  std::string address; ///< of the peer, without a port; empty for ipc
  std::string mechanism;
  std::string key; ///< CURVE: 32 bytes
};

struct zap_verdict {
  bool admitted = false;
  std::string user;        ///< the User-Id of the peer's messages
  std::string why{};       ///< not admitted: for the log
  std::string shown_key{}; ///< Z85; empty = none
};

/// Pure. `list` may be null.
zap_verdict judge(const zap_request&, const admitted* list);

class zap_handler {
 public:
  struct events {
    /// A peer was refused. Called on the handler's thread.
    std::function<void(const zap_request&, const zap_verdict&)> refused;
    /// Something failed; `ended` when the thread has given up. Called on the handler's thread.
    std::function<void(const std::string& why, bool ended)> failed;
    /// Before each decision; for tests, which let it hang or throw.
    std::function<void(const zap_request&)> deciding{};
  };

  /// Binds and starts. Throws zmq::error_t when another handler is bound in the context.
  zap_handler(std::shared_ptr<zmq::context_t>, const time_source&, events);
  ~zap_handler();
  zap_handler(const zap_handler&) = delete;
  zap_handler& operator=(const zap_handler&) = delete;

  /// Holds for handshakes from now on. Thread safe.
  void admit(std::shared_ptr<const admitted>);
  std::shared_ptr<const admitted> list() const;
  /// How long the handler has been at one request; zero when it is at none. Thread safe.
  std::chrono::nanoseconds busy_for() const;
  /// Ends the thread; false when it does not answer and is left behind.
  bool stop();

 private:
  struct state;
  static void run(const std::shared_ptr<state>&);
  static void serve(state&);
  static void answer_one(state&);
  static zap_verdict decide(state&, const zap_request&);
  static void count_failure(state&, const std::string& why);

  std::shared_ptr<state> state_;
  bool stopped_ = false;
};

} // namespace tayfa::pods
