// Cleans up after a killed runtime: sockets and temporary folders of engines in its run folder, and
// (rarely, see guard.hpp and PR_SET_PDEATHSIG) engines and processes that engines had started.
//
// Every host keeps `engines-<pid>.pids` next to its socket: its own pid and its engines' pids, each
// with the process's start time (/proc/<pid>/stat, field 22), because a pid alone may have been
// reused. Files of a living runtime are never touched. Processes started by engines are recognized
// by their mark (descendants.hpp), which is searched for only where such a file shows a runtime
// that did not end in order.
#pragma once

#include "runtime/telemetry/log.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tayfa {

/// Name prefix of the folder of temporary folders when it is not next to the socket; nothing with
/// another name is ever removed there.
inline constexpr std::string_view temporary_prefix = "tayfa-engines-";

/// Replaces the file atomically. Errors are logged only, since the file is a second line of
/// defence. `temporary`: the folder of the engines' temporary folders, if it is not next to the
/// socket.
void write_pid_file(const std::string& path, const std::vector<pid_t>& engines,
                    const std::string& temporary, event_log&);

/// Kills engines of dead runtimes and their descendants, waits for their end (at most two seconds),
/// and removes their files.
void remove_leftovers(const std::string& run_folder, event_log&);

} // namespace tayfa
