// The one thread that starts engines, reads their output, and reports their ends.
//
// It lives as long as the host, because PR_SET_PDEATHSIG follows the thread that made the process:
// if a pool's thread did it, its engines would die with that thread. A start for which the system
// has no process or descriptor left is retried for a while: that shortage passes, and is not the
// engine's fault. kill() acts at once from any thread; a process cannot be reaped meanwhile, so a
// signal never reaches an unrelated process with the same pid.
#pragma once

#include "runtime/base/wakeup.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/host/output_log.hpp"
#include "runtime/host/spawn.hpp"
#include "runtime/machine/topology.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

namespace tayfa {

class spawner {
 public:
  struct options {
    std::string program;
    std::string endpoint;
    std::string pid_file;
    slot_pinner pinner;
    /// Folder in which each engine gets its own temporary folder as TMPDIR, removed with it; empty
    /// = none.
    std::string temporary{};
    /// Number of compute threads of this engine, which is bound to `pinned` CPUs (0 = any). Called
    /// on the spawner's thread at its start.
    std::function<std::uint32_t(const engine_spec&, std::uint32_t pinned)> threads{};
    std::vector<std::string> passed; ///< variables of our environment that engines inherit as well
    std::chrono::milliseconds end_wait{5'000}; ///< stop(): limit of the wait for SIGKILLed
                                               ///< processes
  };
  struct events {
    std::function<void(const engine_spawned&)> spawned;
    std::function<void(const engine_exited&)> exited;
  };

  spawner(options, events, event_log&);
  ~spawner();
  spawner(const spawner&) = delete;
  spawner& operator=(const spawner&) = delete;

  void start(engine_spec);
  void kill(const worker_ref&, int signal);
  /// Sends SIGKILL to all, waits for the ends, ends the thread.
  void stop();

 private:
  struct engine {
    engine_spec spec;
    child_process process;           ///< pid 0 until it runs
    int wanted_signal = 0;           ///< from a kill() before the process existed
    std::optional<moment> delayed{}; ///< since when its start is retried
    moment due{};                    ///< the next retry
    std::unique_ptr<output_log> output;
    std::string temporary; ///< its folder; empty = none was made
  };
  using engines = std::map<worker_ref, engine>;

  void loop();
  bool start_waiting();
  bool start_one(const worker_ref&);
  spawn_request request_for(const engine_spec&, const slot_place&, std::uint32_t threads) const;
  result<std::string> make_temporary(const worker_ref&) const;
  void remove_temporary(const std::string& folder);
  bool delay(const worker_ref&, const error& why);
  void never_began(const worker_ref&, std::string why);
  int wait_ms();
  bool watch();
  void read_output(engine&);
  void bury(const worker_ref&);
  void write_pids();
  bool begin_stop();
  void abandon_rest();

  options options_;
  events events_;
  event_log& log_;
  system_time time_;

  // Any thread adds entries under the mutex; only the spawner's thread removes them. It alone reads
  // `process` without the mutex, because it alone writes it.
  std::mutex mutex_;
  engines engines_;
  std::deque<worker_ref> waiting_;
  bool stopping_ = false;

  std::optional<moment> give_up_;
  std::uint64_t oom_kills_ = 0; ///< known so far
  unique_fd wakeup_ = make_wakeup();
  std::thread thread_;
};

} // namespace tayfa
