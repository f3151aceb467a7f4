// Engine processes on this machine: the real engine_host.
//
// Two threads: the spawner (processes, their output, their ends) and the router (the socket, and
// every sink call). Sinks are called on the router's thread, must not block, must not throw, and
// may be called until the destructor returns. The destructor kills every engine, delivers their
// ends, and removes all files.
//
// The socket is <run folder>/engines-<pid>.sock, mode 0600; the path must fit a socket address (107
// bytes). If a cleaner of old files removes it, it is made again before the next engine starts.
// Besides it, engines-<pid>.tmp holds a temporary folder for each engine, removed with the engine.
// Each engine computes with its share of the CPU time (thread_share.hpp).
#pragma once

#include "runtime/host/engine_host.hpp"
#include "runtime/host/frame_router.hpp"
#include "runtime/host/spawner.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tayfa {

struct process_host_options {
  std::string program;    ///< path of tayfa-engine
  std::string run_folder; ///< made (mode 0700) when missing; not shared with other users
  /// Time after a process's end in which its last bytes may still arrive. Adds to every restart.
  std::chrono::milliseconds settle{5};
  slot_pinner pinner{};
  /// Folder for the engines' temporary folders; empty = in the run folder.
  std::string temporary{};
  std::uint32_t threads = 0;                 ///< engine.threads; 0 = each slot's share
  std::vector<std::string> passed{};         ///< engine.environment
  std::chrono::milliseconds end_wait{5'000}; ///< destructor: limit of the wait for killed processes
};

class process_engine_host final : public engine_host {
 public:
  /// errc::bad_config (path too long), errc::io_error (folder or socket).
  static result<std::unique_ptr<process_engine_host>> make(process_host_options, event_log&);
  ~process_engine_host() override;

  void start(engine_spec, engine_sink) override;
  void send(const worker_ref&, protocol::downstream) override;
  void kill(const worker_ref&, int signal) override;
  void share_among(std::uint32_t slots) override;

  const std::string& socket_path() const { return socket_path_; }
  const frame_router& router() const { return router_; }

 private:
  /// `stem`: the common path of all its files, up to the dot.
  process_engine_host(const process_host_options&, const std::string& stem, std::string temporary,
                      event_log&);

  /// An engine's share of the CPU time.
  struct share {
    std::uint32_t threads = 0; ///< 0 = it has not begun
    std::uint32_t pinned = 0;  ///< CPUs that it is bound to; 0 = any
    bool reachable = false;    ///< it has sent hello, so messages reach it
  };

  std::uint32_t first_share(const engine_spec&, std::uint32_t pinned);
  std::uint32_t threads_for(std::uint32_t slots, std::uint32_t pinned) const;
  void send_share(const worker_ref&, share&);
  result<void> restore_socket();

  event_log& log_;
  const std::uint32_t threads_asked_;
  const std::vector<std::string> passed_;
  std::string socket_path_;
  std::string pid_file_;
  std::string temporary_; ///< the engines' temporary folders
  std::mutex mutex_;
  std::uint32_t slots_ = 0;           ///< from share_among; 0 = as in each spec
  std::map<worker_ref, share> known_; ///< started and not ended
  frame_router router_;
  spawner spawner_; ///< after the router, which it uses until its thread has ended
};

} // namespace tayfa
