// Applies one action to several jobs: cancel, retry, drop.
#pragma once

#include "runtime/cli/command_line.hpp"

#include <string>
#include <vector>

namespace tayfa {

enum class job_action : std::uint8_t { cancel, retry, drop };

struct job_choice {
  std::vector<std::string> ids;
  bool dead = false; ///< the whole dead list, in place of ids
};
inline const job_choice every_dead_job{{}, true};

/// Prints one line, or one object of {"jobs": […]}, per job; the server's own object for a single
/// id. All jobs are tried unless the pod cannot be reached. Returns the exit code of the first
/// failure.
int for_each_job(const target_options&, const job_choice&, job_action);

} // namespace tayfa
