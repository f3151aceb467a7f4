// The jobs that a simulated client submits: what each kind asks for, and how it may end.
#pragma once

#include "actors/sim/workload.hpp"

#include <string>
#include <vector>

namespace tayfa::sim {

/// A job's recipe: its kind, the body of its POST /run, and the allowed outcomes.
struct recipe {
  std::string kind;
  std::string body;
  std::string output;
  std::vector<std::string> allowed;
};

/// A job of a random kind. `tag` makes its output unlike any other's.
recipe draw(const job_mix& mix, const std::string& tag, random_source& random);

} // namespace tayfa::sim
