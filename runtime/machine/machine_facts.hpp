// The real data source of the system checks: /proc, the control groups, statvfs, a TCP connection.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/machine/container.hpp"
#include "runtime/machine/system_fitness.hpp"

#include <functional>
#include <string>

namespace tayfa {

class machine_facts final : public system_facts {
 public:
  /// Paths are parameters for tests.
  explicit machine_facts(container_paths paths = {}) : paths_(std::move(paths)), time_(own_time_) {}
  /// `time` measures the wait for a connection and outlives this.
  explicit machine_facts(const time_source& time) : time_(time) {}

  std::optional<memory_facts> memory() override;
  std::optional<disk_facts> disk(const std::string& folder) override;
  result<std::chrono::milliseconds> connect(const net_target&, std::chrono::milliseconds timeout,
                                            int stop) override;

 private:
  container_paths paths_;
  system_time own_time_;
  const time_source& time_;
};

/// The checks on this machine, for probe_options::extra.
std::function<void(fitness_report&, int stop)> system_checks(system_limits, const time_source&);

} // namespace tayfa
