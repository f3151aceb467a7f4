// The real facts of the system checks: /proc, the control groups, statvfs, a TCP connection.
#pragma once

#include "runtime/host/system_fitness.hpp"
#include "runtime/world/clock.hpp"

#include <functional>
#include <string>

namespace tayfa {

class machine_facts final : public system_facts {
 public:
  /// Other folders than the machine's own are for tests.
  explicit machine_facts(std::string proc = "/proc", std::string cgroups = "/sys/fs/cgroup")
      : proc_(std::move(proc)), cgroups_(std::move(cgroups)), time_(own_time_) {}
  /// By whose clock a connection is waited for; it outlives this.
  explicit machine_facts(const time_source& time)
      : proc_("/proc"), cgroups_("/sys/fs/cgroup"), time_(time) {}

  std::optional<memory_facts> memory() override;
  std::optional<disk_facts> disk(const std::string& folder) override;
  result<std::chrono::milliseconds> connect(const net_target&, std::chrono::milliseconds timeout,
                                            int stop) override;

 private:
  std::optional<std::uint64_t> container_memory() const;

  std::string proc_;
  std::string cgroups_;
  system_time own_time_;
  const time_source& time_;
};

/// The checks on this machine, for probe_options::extra.
std::function<void(fitness_report&, int stop)> system_checks(system_limits, const time_source&);

} // namespace tayfa
