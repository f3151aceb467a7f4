// The engine process: one session on the main thread, between a DEALER socket, timers and signals.
//
// It never outlives its parent: PR_SET_PDEATHSIG(SIGKILL), plus a check that the parent is still
// the one that started it. SIGTERM finishes nothing and exits with 0; the runtime reassigns the
// running attempt.
#pragma once

#include "messages/engine_kind.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace tayfa::engine {

struct process_options {
  std::string endpoint; ///< ipc://…
  worker_ref worker;
  engine_kind engine = default_engine(false);
  pid_t parent = 0; ///< 0 = started by hand: nobody to follow into death
};

/// Exit codes of an engine process: 0 stopped on request, 64 bad usage, 70 the runtime stopped
/// reading or the socket failed.
inline constexpr int exit_usage = 64;
inline constexpr int exit_broken = 70;

/// From here on this process dies with its parent (0 = no parent). False when the parent is already
/// gone.
bool follow_parent(pid_t parent);

/// The folder of this program, where plugins are.
std::string program_folder();

/// Runs until told to stop; the result is the process's exit code.
int run_process(const process_options&);

} // namespace tayfa::engine
