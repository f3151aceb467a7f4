// What a runtime that was killed may have left in its run folder: sockets, and (hardly ever, see
// PR_SET_PDEATHSIG) engines.
//
// Every host keeps `engines-<pid>.pids` beside its socket: its own pid and its engines' pids, each
// with the process's start time (/proc/<pid>/stat, field 22), because a pid alone may by now belong
// to somebody else. Files of a runtime that lives are never touched.
#pragma once

#include "runtime/telemetry/log.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace tayfa {

/// Clock ticks after boot at which the process began; nothing when there is none (or only a
/// zombie).
std::optional<std::uint64_t> start_time_of(pid_t);

/// Replaces the file in one step. Errors are logged: the file is a second line of defence.
void write_pid_file(const std::string& path, const std::vector<pid_t>& engines, event_log&);

/// Kills engines of dead runtimes, waits a moment for their end, removes their files.
void remove_leftovers(const std::string& run_folder, event_log&);

} // namespace tayfa
