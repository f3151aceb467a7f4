// Jobs through the actors: the real queue and the real ingress in a real actor system, with the
// scheduler of `tayfa serve`, over a real store. Two things are not real: workers finish at once,
// without an engine process, and clients are actors that hand their calls to the ingress without
// HTTP.
#pragma once

#include "tests/bench/measured.hpp"

#include <cstddef>
#include <string>

namespace tayfa::bench {

struct actors_plan {
  bool durable = true; ///< SQLite in `folder`; otherwise the memory store
  std::string folder;
  unsigned clients = 1; ///< each has one job at a time
  unsigned workers = 2; ///< of one job at a time
  double seconds = 1.5;
  std::size_t payload = 1024; ///< bytes of a job's input
};

/// A cycle is one job: accepted, assigned to a worker, completed, and its client notified. Throws
/// std::runtime_error when the store cannot be used or a job does not end COMPLETED.
measured measure_actors(const actors_plan&);

} // namespace tayfa::bench
