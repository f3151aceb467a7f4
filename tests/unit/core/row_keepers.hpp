// SQLite as the store of a job world: in a folder, and on a simulated disk that fails and loses
// power. One batch at a time, like the queue.
#pragma once

#include "tests/job_model/row_keeper.hpp"

namespace tayfa::testing {

std::unique_ptr<row_keeper> keep_in_sqlite(dice, const time_source&);
std::unique_ptr<row_keeper> keep_on_failing_disk(dice, const time_source&);

} // namespace tayfa::testing
