// Interface to engine processes: start one, exchange messages, kill it, be notified of its end.
//
// The real implementation (process_engine_host) owns one ZeroMQ ROUTER socket (ipc, in the pod's
// run folder), one I/O thread for it, and one spawner thread that lives as long as the runtime
// (PR_SET_PDEATHSIG follows the thread that forked) and watches pidfds. The simulated one
// (actors/sim) runs the same scripted engine in virtual time.
//
// Owner: the composition root. Users: gpu_worker actors. Every call returns at once and is thread
// safe; every event goes to the sink given to start(), from any thread, in order for one
// incarnation. engine_exited is an incarnation's last event.
#pragma once

#include "messages/codec.hpp"
#include "messages/error.hpp"
#include "messages/ids.hpp"

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa {

/// A process to start. The host adds the rest: socket address, slot, incarnation, parent's pid.
struct engine_spec {
  worker_ref worker;
  std::string engine; ///< name of its kind (messages/engine_kind.hpp)
  std::vector<std::pair<std::string, std::string>> environment; ///< besides the host's
  std::uint32_t slots = 0; ///< current number of slots of the pod, which share the CPUs; 0 = not
                           ///< shared
};

/// The process ended; `code` when it exited, `signal` when it was killed. `started` is false when
/// it never ran.
struct engine_exited {
  worker_ref worker;
  bool started = true;
  int code = 0;
  int signal = 0;
  std::string text;           ///< "exit 0", "signal 9 (Killed)", or the reason why it did not start
  bool out_of_memory = false; ///< it was killed, and the kernel's OOM killer was active here
};

/// True when the process was ended from outside of the pod (by an operator or a service manager),
/// so that its job is not the cause. An engine ended by SIGTERM exits with 0, others with 128 + the
/// signal's number.
inline bool killed_from_outside(const engine_exited& e) {
  constexpr int exit_of_signal = 128;
  const auto asks = [](int signal) {
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
  };
  const bool ended_as_asked = e.code == 0 || asks(e.code - exit_of_signal);
  return e.started && !e.out_of_memory &&
         (e.signal == SIGKILL || asks(e.signal) || (e.signal == 0 && ended_as_asked));
}

struct engine_spawned {
  worker_ref worker;
  std::uint32_t pid = 0;
  std::string pinned{};      ///< the CPUs it is bound to, "0-3"; empty = any
  std::uint32_t threads = 0; ///< limit of its compute threads; 0 = unknown
};

struct engine_frame {
  worker_ref worker;
  protocol::upstream body;
};

/// This worker sent a frame that violates the protocol.
struct protocol_violation {
  worker_ref worker;
  error why;
};

using engine_event = std::variant<engine_spawned, engine_frame, protocol_violation, engine_exited>;
using engine_sink = std::function<void(engine_event)>;

class engine_host {
 public:
  virtual ~engine_host() = default;

  /// Starts the process. A failure is reported as engine_exited{started = false}.
  virtual void start(engine_spec, engine_sink) = 0;
  /// Queues one message for the process; silently dropped when the incarnation is gone.
  virtual void send(const worker_ref&, protocol::downstream) = 0;
  /// Sends SIGTERM or SIGKILL to the process (and its process group); no effect when it is gone.
  virtual void kill(const worker_ref&, int signal) = 0;
  /// From now on the CPU time is divided among this many slots. Running engines are notified, and
  /// apply it from their next job on.
  virtual void share_among(std::uint32_t slots) { (void)slots; }
};

} // namespace tayfa
