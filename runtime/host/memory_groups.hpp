// The control groups that bound this process's memory, and how often the kernel has killed in them
// for want of it: what tells an engine that its job's memory has ended from one that was killed
// from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

struct memory_group {
  std::string folder;
  bool unified = true; ///< control groups of version 2
};

/// From this process's own group up to the root.
std::vector<memory_group> memory_groups(const std::string& proc, const std::string& cgroups);

/// Processes of this process's own group, and of those below it, that any OOM killer has ended so
/// far. Where no group tells, those of the whole machine; nothing when nobody tells.
std::optional<std::uint64_t> oom_kills(const std::string& proc = "/proc",
                                       const std::string& cgroups = "/sys/fs/cgroup");

} // namespace tayfa
