// Engine processes on this machine: the real side of engine_host.
//
// Two threads: the spawner (processes, their output, their ends) and the router (the socket, and
// every sink call). Sinks are called on the router's thread, must not block, must not throw, and
// may be called until the destructor returns. The destructor kills every engine, tells their ends,
// and leaves no file behind.
//
// The socket is <run folder>/engines-<pid>.sock, mode 0600; the path must fit a socket address (107
// bytes).
#pragma once

#include "runtime/host/engine_host.hpp"
#include "runtime/host/frame_router.hpp"
#include "runtime/host/spawner.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace tayfa {

struct process_host_options {
  std::string program;    ///< path of tayfa-engine
  std::string run_folder; ///< made (mode 0700) when missing; not shared with other users
  /// How long after a process's end bytes that it had sent may still arrive. Adds to every restart.
  std::chrono::milliseconds settle{5};
  slot_pinner pinner{};
  std::vector<std::string> passed{};         ///< engine.environment
  std::chrono::milliseconds end_wait{5'000}; ///< destructor: for killed processes to be gone
};

class process_engine_host final : public engine_host {
 public:
  /// errc::bad_config (path too long), errc::io_error (folder or socket).
  static result<std::unique_ptr<process_engine_host>> make(process_host_options, event_log&);
  ~process_engine_host() override;

  void start(engine_spec, engine_sink) override;
  void send(const worker_ref&, protocol::downstream) override;
  void kill(const worker_ref&, int signal) override;

  const std::string& socket_path() const { return socket_path_; }
  const frame_router& router() const { return router_; }

 private:
  process_engine_host(const process_host_options&, std::string socket_path, std::string pid_file,
                      event_log&);

  event_log& log_;
  std::string socket_path_;
  std::string pid_file_;
  std::mutex mutex_;
  std::set<worker_ref> known_; ///< started and not ended
  frame_router router_;
  spawner spawner_; ///< after the router: it speaks to it until its thread has ended
};

} // namespace tayfa
