// What a container leaves this process: CPU time, CPUs, memory, processes. The one reader of the
// kernel's control groups, of version 1 and 2, from this process's own group up to the root: of
// several limits the least counts. What cannot be read limits nothing.
//
// A pure reader: every call reads anew, since limits change while a pod runs. Users: the
// compatibility test, RunPod's checks, the engine host (threads of engines), the bounds of buffers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// Other folders than the machine's own are for tests.
struct container_paths {
  std::string proc = "/proc";
  std::string cgroups = "/sys/fs/cgroup";
};

struct control_group {
  std::string folder;
  bool unified = true; ///< version 2
};

/// Groups that bound this process by a controller ("memory", "cpu", "pids"): version 1 before
/// version 2, each from this process's own group up to the root. Folders may be missing.
std::vector<control_group> control_groups(std::string_view controller, const container_paths& = {});

/// CPU time that this process may use.
struct cpu_room {
  std::uint32_t usable = 1;                 ///< CPUs it may run on (affinity, cpuset); at least 1
  std::optional<std::uint32_t> quota_milli; ///< thousandths of one CPU's time (CFS bandwidth)
};
cpu_room read_cpu_room(const container_paths& = {});

/// Thousandths of a CPU, of both bounds the lesser.
std::uint64_t milli_cpus(const cpu_room&);

/// Threads that compute in each of `slots` engines so that together they are no more than there is
/// CPU time for: whole CPUs, at least one. `pinned`: CPUs that the engine is bound to; 0 = any.
std::uint32_t compute_threads(const cpu_room&, std::uint32_t slots, std::uint32_t pinned = 0);

struct memory_room {
  std::optional<std::uint64_t> total;           ///< of the machine, in bytes
  std::optional<std::uint64_t> available;       ///< of the machine, as the kernel estimates it
  std::optional<std::uint64_t> container_limit; ///< the least one
  /// The least that a group leaves below its limit. What can be had back at once counts as left, as
  /// in `available`: clean pages of files, and the kernel's reclaimable memory.
  std::optional<std::uint64_t> container_left;
};
memory_room read_memory_room(const container_paths& = {});

/// Processes of this process's own group, and of those below it, that any OOM killer has ended so
/// far. Where no group tells, those of the whole machine; nothing when that is not known either.
std::optional<std::uint64_t> oom_kills(const container_paths& = {});

/// The least pids.max of the groups.
std::optional<std::uint64_t> process_limit(const container_paths& = {});

} // namespace tayfa
