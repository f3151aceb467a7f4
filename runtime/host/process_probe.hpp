// The real machine probe: runs `tayfa-engine --check` in a process of its own and reads its report.
//
// Each run has a thread that lives as long as its child. The child cannot hurt the runtime: its
// output and time are bounded and its report is validated; when any of that fails, the report is
// one unfit row "check" with the reason. The destructor kills running checks and returns after
// their callbacks.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/wakeup.hpp"
#include "runtime/host/spawn.hpp"
#include "runtime/machine/probe.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tayfa {

struct probe_options {
  std::string program; ///< path of tayfa-engine
  std::chrono::milliseconds budget{50'000};
  /// Called after each check, on its thread: appends further rows, such as add_system_rows. `stop`
  /// is a descriptor that becomes readable when the result is no longer needed.
  std::function<void(fitness_report&, int stop)> extra = {};
  std::vector<std::string> passed =
      {};                    ///< variables of our environment that the check inherits as well
  std::uint32_t threads = 0; ///< compute threads of the check; 0 = as many as there is CPU time for
  /// The clock of the budget; null = the system's. It outlives the probe.
  const time_source* time = nullptr;
};

class process_probe final : public machine_probe {
 public:
  process_probe(probe_options, event_log&);
  ~process_probe() override;
  process_probe(const process_probe&) = delete;
  process_probe& operator=(const process_probe&) = delete;

  void run(const std::string& engine, std::function<void(fitness_report)> done) override;

 private:
  /// A check killed from outside says nothing about the machine: it is repeated.
  fitness_report check(const std::string& engine);
  struct outcome {
    fitness_report report;
    bool killed = false; ///< from outside
  };
  outcome check_once(const std::string& engine);

  probe_options options_;
  event_log& log_;
  system_time own_time_;
  const time_source& time_;
  unique_fd closing_ = make_wakeup(); ///< readable for ever once the destructor has begun
  std::mutex mutex_;
  std::list<std::thread> threads_;
};

} // namespace tayfa
