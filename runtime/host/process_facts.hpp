// Facts from /proc about processes: parent, start time, mark in the environment.
//
// A pid alone identifies a process only until it is reaped; with its start time it does so
// uniquely. All facts may be outdated at once: before acting on them, open a pidfd and read them
// again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tayfa {

struct process_facts {
  char state = '?';
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  std::uint64_t start = 0; ///< clock ticks after boot
  bool ended() const { return state == 'Z' || state == 'X'; }
};

/// Empty when there is no such process. A zombie has facts.
std::optional<process_facts> facts_of(pid_t);

/// Clock ticks after boot at which the process began; empty when there is none (or only a zombie).
std::optional<std::uint64_t> start_time_of(pid_t);

/// The value of this variable in the process's initial environment; "" when it is missing or not
/// readable by us.
std::string environment_of(pid_t, std::string_view variable);

/// Every process that /proc shows.
std::vector<pid_t> all_processes();

/// Children of all threads of the process, including zombies.
std::vector<pid_t> children_of(pid_t);

} // namespace tayfa
