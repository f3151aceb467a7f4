// The real machine probe: runs `tayfa-engine --check` in a process of its own and reads its report.
//
// Each run has a thread that lives as long as its child. Nothing the child does can hurt the
// runtime: its output is bounded, its time is bounded, its report is validated, and when any of
// that fails the report is one unfit row "check" that says how. The destructor kills checks that
// still run; their callbacks are called before it returns.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/wakeup.hpp"
#include "runtime/host/probe.hpp"
#include "runtime/host/spawn.hpp"
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
  /// Called behind each check, on its thread: appends rows of its own, such as add_system_rows.
  /// The number is a descriptor that becomes readable when nobody waits any more.
  std::function<void(fitness_report&, int stop)> extra = {};
  std::vector<std::string> passed =
      {};                    ///< variables of our environment that the check gets as well
  std::uint32_t threads = 0; ///< that compute in the check; 0 = as many as there is CPU time for
  /// By which the budget is measured; null = the system's. It outlives the probe.
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
  /// A check that somebody else has killed says nothing of the machine: it is made again.
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
