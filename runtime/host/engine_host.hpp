// Where engine processes live: start one, talk to it, kill it, learn of its end.
//
// The real side (process_engine_host) owns one ZeroMQ ROUTER socket (ipc, in the pod's run folder),
// one I/O thread for it, and one spawner thread that lives as long as the runtime (PR_SET_PDEATHSIG
// follows the thread that forked) and watches pidfds. The simulated side (actors/sim) runs the same
// scripted engine in virtual time.
//
// Owner: the composition root. Users: gpu_worker actors. Every call returns at once and is thread
// safe; everything that happens comes back through the sink given to start(), from any thread, in
// order for one incarnation. After engine_exited nothing more comes for that incarnation.
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

/// What to start. The host adds what it alone knows: the socket's address, slot, incarnation, the
/// parent's pid.
struct engine_spec {
  worker_ref worker;
  std::string engine; ///< name of its kind (messages/engine_kind.hpp)
  std::vector<std::pair<std::string, std::string>> environment; ///< beside the host's
  std::uint32_t slots = 0; ///< of the pod now: CPUs are shared out among so many; 0 = not
};

/// The process ended; `code` when it exited, `signal` when it was killed. `started` is false when
/// it never ran.
struct engine_exited {
  worker_ref worker;
  bool started = true;
  int code = 0;
  int signal = 0;
  std::string text;           ///< "exit 0", "signal 9 (Killed)", or why it could not be started
  bool out_of_memory = false; ///< it was killed, and the kernel has killed here for want of memory
};

/// Somebody outside of the pod has ended it, an operator or whatever keeps order on the machine:
/// nothing that it computed is why. An engine that is asked by SIGTERM ends with 0, others with
/// 128 + its number.
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
  std::string pinned{};      ///< the CPUs it runs on, "0-3"; empty = any
  std::uint32_t threads = 0; ///< that compute in it at most; 0 = not known
};

struct engine_frame {
  worker_ref worker;
  protocol::upstream body;
};

/// A frame that broke the protocol came from this worker.
struct engine_nonsense {
  worker_ref worker;
  error why;
};

using engine_event = std::variant<engine_spawned, engine_frame, engine_nonsense, engine_exited>;
using engine_sink = std::function<void(engine_event)>;

class engine_host {
 public:
  virtual ~engine_host() = default;

  /// Starts the process. Failure arrives as engine_exited{started = false}.
  virtual void start(engine_spec, engine_sink) = 0;
  /// Queues one message for the process; silently dropped when the incarnation is gone.
  virtual void send(const worker_ref&, protocol::downstream) = 0;
  /// SIGTERM or SIGKILL to the process (and its process group); nothing when it is gone.
  virtual void kill(const worker_ref&, int signal) = 0;
  /// The CPU time is divided among so many slots from now on. Engines that run are told, and keep
  /// to it from their next job on.
  virtual void share_among(std::uint32_t slots) { (void)slots; }
};

} // namespace tayfa
