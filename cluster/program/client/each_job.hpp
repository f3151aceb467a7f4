// The same for several jobs: cancel, retry, drop.
#pragma once

#include "cluster/program/client/command_line.hpp"

#include <string>
#include <vector>

namespace tayfa {

enum class job_action : std::uint8_t { cancel, retry, drop };

struct job_choice {
  std::vector<std::string> ids;
  bool dead = false; ///< in place of ids: the whole dead list
};
inline const job_choice every_dead_job{{}, true};

/// One line, or one object of {"jobs": […]}, for each; the server's own object when one id is
/// given. All are tried, but for a pod that does not answer. The exit code is that of the first
/// that failed.
int for_each_job(const target_options&, const job_choice&, job_action);

} // namespace tayfa
