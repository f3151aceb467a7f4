// The one thread that starts engines, hears what they print, and learns of their ends.
//
// It lives as long as the host, because PR_SET_PDEATHSIG follows the thread that made the process:
// were it a pool's thread, its engines would die with it. A start for which the system has no
// process or descriptor left is tried again for a while: that passes, and is no fault of the
// engine. kill() acts at once from any thread; a process cannot be reaped meanwhile, so a signal
// never meets a stranger with the same pid.
#pragma once

#include "runtime/base/wakeup.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/host/output_log.hpp"
#include "runtime/host/spawn.hpp"
#include "runtime/host/topology.hpp"
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
    /// Holds a temporary folder for each engine, TMPDIR to it, that goes with it; empty = none.
    std::string temporary{};
    /// How many threads compute in this engine, which is bound to so many CPUs (0 = any). Asked on
    /// the spawner's thread when it is started.
    std::function<std::uint32_t(const engine_spec&, std::uint32_t pinned)> threads{};
    std::vector<std::string> passed; ///< variables of our environment that engines get as well
    std::chrono::milliseconds end_wait{5'000}; ///< stop(): for SIGKILLed processes to be gone
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
  /// SIGKILL to everything, wait for the ends, end the thread.
  void stop();

 private:
  struct engine {
    engine_spec spec;
    child_process process;           ///< pid 0 until it runs
    int wanted_signal = 0;           ///< kill() came before the process did
    std::optional<moment> delayed{}; ///< since when its start is tried again
    moment due{};                    ///< the next try
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

  // Entries are added under the mutex by any thread, removed by the spawner's thread; it alone
  // reads `process` without the mutex, because it alone writes it.
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
