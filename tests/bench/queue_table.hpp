// The job table alone, without actors and without a store: memory per waiting job, and the time of
// commands with many waiting jobs.
#pragma once

#include <cstddef>
#include <vector>

namespace tayfa::bench {

struct table_plan {
  std::vector<std::size_t> waiting;
  std::vector<unsigned> workers; ///< ascending
  double seconds = 0.3;          ///< for each row
};

/// The numbers for one count of waiting jobs and one of workers, all of them busy. Times are
/// nanoseconds, the median of blocks.
struct table_row {
  std::size_t waiting = 0;
  unsigned workers = 0;
  double bytes = 0;    ///< of memory per waiting job besides its input; 0 = unknown
  double submit = 0;   ///< to the end of the queue
  double decision = 0; ///< from the end of a worker's attempt to its next one
  double cancel = 0;   ///< of any job in the queue
  double row = 0;      ///< handing one changed row to the store
};

/// Calls `report` with each row once it is measured. Throws std::runtime_error when the table
/// misbehaves.
void measure_table(const table_plan&, void (*report)(const table_row&));

} // namespace tayfa::bench
