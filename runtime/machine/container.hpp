// Limits of this process's container: CPU time, CPUs, memory, processes. Only this file reads the
// kernel's control groups, of version 1 and 2, from this process's own group up to the root: the
// lowest limit counts. An unreadable limit is no limit.
//
// Nothing is cached: every call reads again, since limits change while a pod runs. Users: the
// compatibility test, RunPod's checks, the engine host (threads of engines), the bounds of buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// Paths are parameters for tests.
struct container_paths {
  std::string proc = "/proc";
  std::string cgroups = "/sys/fs/cgroup";
};

struct control_group {
  std::string folder;
  bool unified = true; ///< version 2
};

/// Groups that limit this process for a controller ("memory", "cpu", "pids"): version 1 before
/// version 2, each from this process's own group up to the root. Folders may be missing.
std::vector<control_group> control_groups(std::string_view controller, const container_paths& = {});

/// CPU time that this process may use.
struct cpu_room {
  std::uint32_t usable = 1;                 ///< CPUs it may run on (affinity, cpuset); at least 1
  std::optional<std::uint32_t> quota_milli; ///< thousandths of one CPU's time (CFS bandwidth)
};
cpu_room read_cpu_room(const container_paths& = {});

/// Thousandths of a CPU: the lower of the two limits.
std::uint64_t milli_cpus(const cpu_room&);

/// Compute threads for each of `slots` engines, such that all together do not exceed the CPU time:
/// whole CPUs, at least one. `pinned`: CPUs that the engine is bound to; 0 = any.
std::uint32_t compute_threads(const cpu_room&, std::uint32_t slots, std::uint32_t pinned = 0);

struct memory_room {
  std::optional<std::uint64_t> total;           ///< of the machine, in bytes
  std::optional<std::uint64_t> available;       ///< of the machine, as the kernel estimates it
  std::optional<std::uint64_t> container_limit; ///< the lowest
  /// The least memory left below any group's limit. Memory that can be reclaimed at once counts as
  /// left, as in `available`: clean pages of files, and the kernel's reclaimable memory.
  std::optional<std::uint64_t> container_left;
};
memory_room read_memory_room(const container_paths& = {});

/// Processes of this process's own group and its subgroups killed by any OOM killer so far. Without
/// a readable group, those of the whole machine; empty when that is unknown too.
std::optional<std::uint64_t> oom_kills(const container_paths& = {});

/// The lowest pids.max of the groups.
std::optional<std::uint64_t> process_limit(const container_paths& = {});

} // namespace tayfa
