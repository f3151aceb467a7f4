// What a runtime that was killed may have left: sockets and temporary folders of
// engines in its run folder, and (hardly ever, see
// guard.hpp and PR_SET_PDEATHSIG) engines and processes that engines had started.
//
// Every host keeps `engines-<pid>.pids` beside its socket: its own pid and its engines' pids, each
// with the process's start time (/proc/<pid>/stat, field 22), because a pid alone may by now belong
// to somebody else. Files of a runtime that lives are never touched. What engines have started is
// known by its mark (descendants.hpp), looked for only where such a file tells of a runtime that
// did not end in order.
#pragma once

#include "runtime/telemetry/log.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tayfa {

/// How the name of a folder of temporary folders begins where it is not beside the socket; nothing
/// of another name is ever removed there.
inline constexpr std::string_view temporary_prefix = "tayfa-engines-";

/// Replaces the file in one step. Errors are logged: the file is a second line of defence.
/// `temporary`: the folder of the engines' temporary folders, where it is not beside the socket.
void write_pid_file(const std::string& path, const std::vector<pid_t>& engines,
                    const std::string& temporary, event_log&);

/// Kills engines of dead runtimes and what these have started, waits for their end (two seconds at
/// most), removes their files.
void remove_leftovers(const std::string& run_folder, event_log&);

} // namespace tayfa
