// Starts child processes and reports their ends; all processes of Tayfa are made here.
//
// A child gets: /dev/null as stdin, pipes as stdout and stderr, no other descriptors, its own
// session and process group, no blocked signals and default handlers, only the listed variables of
// our environment (child_environment.hpp), and a mark that identifies its parent. Its end is read
// from a pidfd, so a reused pid is never signalled. Its descendants are ended with it
// (descendants.hpp).
#pragma once

#include "messages/error.hpp"
#include "runtime/base/unique_fd.hpp"

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace tayfa {

struct spawn_request {
  std::vector<std::string> arguments{}; ///< the first one is the program's path
  std::vector<std::pair<std::string, std::string>> environment{}; ///< added
  std::vector<std::string> passed{}; ///< variables to inherit besides the list: engine.environment
  bool split_stderr = false;         ///< stderr gets its own pipe; otherwise both go into `output`
};

struct child_process {
  pid_t pid = 0;
  unique_fd pidfd;  ///< readable when the process has ended
  unique_fd output; ///< non-blocking
  unique_fd errors; ///< non-blocking; only with split_stderr
  std::string mark; ///< in its environment, and inherited by its descendants
};

struct child_end {
  int code = 0;
  int signal = 0;
  std::string text; ///< "exit 0", "signal 9 (Killed)"
};

/// This process's environment, as "NAME=value".
std::vector<std::string> own_environment();

/// errc::engine_start with the reason; errc::unavailable when the system has no process, descriptor
/// or memory left just now, which passes.
result<child_process> spawn(const spawn_request&);

/// Signals the child's whole process group. The child must not have been reaped.
void signal_group(const child_process&, int signal);

/// For a child whose pidfd is readable, before reap(): kills the rest of its process group, and
/// descendants that have left the group. May take two seconds when some do not end.
void end_descendants(const child_process&);

/// For a child whose pidfd is readable: kills the rest of its process group, then reaps it.
child_end reap(const child_process&);

} // namespace tayfa
