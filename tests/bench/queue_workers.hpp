// The decision which job a worker that became free is given, with few and with many workers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tayfa::bench {

struct workers_plan {
  std::vector<unsigned> workers; ///< ascending; the others are compared with the first
  std::size_t waiting = 10'000;
  double seconds = 0.3; ///< for each row
};

/// A kind of pool with a number of workers, all of them busy. Nanoseconds, the median of blocks.
struct workers_row {
  std::string pool;
  unsigned workers = 0;
  double decision = 0; ///< from the end of an attempt until the next one is given
  double ratio = 0;    ///< to the first number of workers
};

/// Calls `report` with each row once it is measured. Throws std::runtime_error when the table
/// misbehaves.
void measure_workers(const workers_plan&, void (*report)(const workers_row&));

} // namespace tayfa::bench
