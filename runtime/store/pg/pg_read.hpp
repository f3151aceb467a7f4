// Rows of jobs, read back. Written by us, and still checked like everything from outside: another
// program may have changed them. Pure.
#pragma once

#include "runtime/store/pg/pg_session.hpp"
#include "runtime/store/row.hpp"
#include "runtime/store/store_clock.hpp"

#include <vector>

namespace tayfa::store {

/// The rows of pg_read_page_sql or pg_read_jobs_sql. errc::store_corrupt names the row.
result<std::vector<job_row>> read_jobs(const pg_rows&, const store_clock&);

} // namespace tayfa::store
