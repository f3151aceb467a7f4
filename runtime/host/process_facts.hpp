// What /proc says about processes: whose children they are, when they began, whether they carry a
// mark in their environment.
//
// A pid alone names a process only until it is reaped; with its start time it names it for good.
// Everything here is a moment's truth: who acts on it takes a pidfd first and looks again.
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

/// Nothing when there is no such process. A zombie has facts.
std::optional<process_facts> facts_of(pid_t);

/// Clock ticks after boot at which the process began; nothing when there is none (or only a
/// zombie).
std::optional<std::uint64_t> start_time_of(pid_t);

/// The value of this variable in the environment that the process was started with; "" when it has
/// none, or may not be read by us.
std::string environment_of(pid_t, std::string_view variable);

/// Every process that /proc shows.
std::vector<pid_t> all_processes();

/// Children of all threads of the process, zombies among them.
std::vector<pid_t> children_of(pid_t);

} // namespace tayfa
