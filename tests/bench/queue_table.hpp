// The job table alone, without actors and without a store: what a waiting job costs in memory, and
// what the commands cost beside so many waiting jobs.
#pragma once

#include <cstddef>
#include <vector>

namespace tayfa::bench {

struct table_plan {
  std::vector<std::size_t> waiting;
  std::vector<unsigned> workers; ///< ascending
  double seconds = 0.3;          ///< for each row
};

/// Of one number of waiting jobs and one of workers, all of them busy. Times are nanoseconds, the
/// median of blocks.
struct table_row {
  std::size_t waiting = 0;
  unsigned workers = 0;
  double bytes = 0;    ///< of memory for each waiting job beside its input; 0 = not known
  double submit = 0;   ///< to the end of the line
  double decision = 0; ///< a worker's attempt is finished -> its next one is given
  double cancel = 0;   ///< of any job in the line
  double row = 0;      ///< handing one changed row to the store
};

/// Calls `report` with each row as it is known. Throws std::runtime_error when the table does not
/// do what it should.
void measure_table(const table_plan&, void (*report)(const table_row&));

} // namespace tayfa::bench
