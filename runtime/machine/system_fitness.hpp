// The checks that RunPod's SDK makes before its worker takes a first job: memory, disk, network,
// CUDA. The environment defines the checks, their order and their limits; system_facts gives the
// measurements; the result is rows of the fitness report. Pure.
//
// Owner: the machine probe, which appends the rows to the engine's own (probe_options::extra).
// Names and texts are the SDK's (serverless/modules/rp_system_fitness.py, rp_gpu_fitness.py),
// because the platform shows them; docs/runpod.md lists and explains the differences.
#pragma once

#include "runtime/machine/probe.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tayfa {

/// Unfit rows with this prefix end a RunPod worker with exit code 1; see unhealthy_of.
inline constexpr std::string_view runpod_mark = "runpod:";

struct net_target {
  std::string host; ///< a name or an address, IPv6 without brackets; empty = none
  std::uint16_t port = 0;
  bool operator==(const net_target&) const = default;
};

struct cuda_version {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  auto operator<=>(const cuda_version&) const = default;
};

/// The first version in the text: "12.8", "CUDA Version 12.8", "12" for 12.0.
std::optional<cuda_version> cuda_version_in(std::string_view text);

struct system_limits {
  bool system = true;         ///< not RUNPOD_SKIP_AUTO_SYSTEM_CHECKS=true
  bool gpu = true;            ///< not RUNPOD_SKIP_GPU_CHECK=true: use the engine's results
  double memory_gb = 4.0;     ///< RUNPOD_MIN_MEMORY_GB
  bool memory_asked = false;  ///< it is set, not the default
  double disk_percent = 10.0; ///< RUNPOD_MIN_DISK_PERCENT
  cuda_version cuda{11, 8};   ///< RUNPOD_MIN_CUDA_VERSION
  std::chrono::milliseconds network_timeout{5'000}; ///< RUNPOD_NETWORK_CHECK_TIMEOUT
  std::chrono::milliseconds benchmark{2'000};       ///< RUNPOD_GPU_BENCHMARK_TIMEOUT
  std::chrono::milliseconds gpu_test{30'000};       ///< RUNPOD_GPU_TEST_TIMEOUT
  net_target network;                               ///< empty: the check was not requested
  std::string data_folder;
};

/// Settings from the configuration, besides the environment.
struct system_terms {
  std::string data_folder;
  bool network_check = false; ///< runpod.network_check
  bool unfit_goes_on = false; ///< engine.on_unfit = go_on: the engine's own rows are no reason to
                              ///< stop
};

/// Reads entries "NAME=value". Empty without RUNPOD_WEBHOOK_GET_JOB: the program is no RunPod
/// worker. RUNPOD_NETWORK_CHECK_HOST ("host" or "host:port") requests the network check and names
/// its target; requested by the terms alone it goes to the host of RUNPOD_WEBHOOK_GET_JOB.
/// errc::bad_config names the variable.
result<std::optional<system_limits>> system_limits_from(std::span<const std::string> environment,
                                                        const system_terms&);

struct memory_facts {
  std::uint64_t available = 0; ///< of the machine, in bytes
  std::uint64_t total = 0;
  std::optional<std::uint64_t> container; ///< left within the container's limit
};
struct disk_facts {
  std::uint64_t free = 0; ///< for this user, in bytes
  std::uint64_t total = 0;
};

class system_facts {
 public:
  virtual ~system_facts() = default;
  /// Empty when the system does not report it.
  virtual std::optional<memory_facts> memory() = 0;
  /// Facts of the file system that holds the folder.
  virtual std::optional<disk_facts> disk(const std::string& folder) = 0;
  /// Duration of establishing a TCP connection. `stop` (readable when the result is no longer
  /// needed; -1 = none) ends the attempt. errc::request_timeout, unavailable.
  virtual result<std::chrono::milliseconds>
  connect(const net_target&, std::chrono::milliseconds timeout, int stop) = 0;
};

/// Appends the rows, in the SDK's order; every check is made, even after a failed one. `report`
/// holds the engine's rows: its CUDA results are reused, not measured again.
void add_system_rows(fitness_report& report, const system_limits&, system_facts&, int stop = -1);

/// The report sent to the platform before the worker exits with code 1: the first unfit row with
/// the mark, in the SDK's words.
struct unhealthy {
  std::string check;  ///< "_memory_check"
  std::string reason; ///< "RuntimeError: Insufficient memory: …"
};
std::optional<unhealthy> unhealthy_of(const fitness_report&);

} // namespace tayfa
