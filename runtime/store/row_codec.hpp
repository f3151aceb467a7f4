// The columns of a row on SQLite's side: into the parameters of a statement, and out of its values.
//
// Rows that are read back were written by us and may still be wrong (another tool, a damaged disk):
// they are checked like everything from outside, and errc::store_corrupt names the row.
#pragma once

#include "runtime/store/row_sql.hpp"
#include "runtime/store/row_sums.hpp"
#include "runtime/store/sql.hpp"

#include <array>
#include <string>
#include <vector>

namespace tayfa::store {

/// The parameters of put_sql(), update_sql() and put_meta_sql(). Texts live until the statement is
/// run.
void bind(statement&, const table&, std::uint8_t which, const row_source&);

/// JSON, so that a person with the sqlite3 tool can read it. Empty for no attempts.
std::string history_text(const std::vector<attempt_view>&);
/// Each chunk as <bytes>:<text>, one after the other (netstrings without the comma).
std::string chunks_text(const std::vector<chunk>&);

/// A row with the names of its files.
struct read_row {
  job_row row;
  std::string input_file, output_file;
};

/// Columns that were read together: whether they fit their checksum, and whether each holds what
/// can have been written.
struct judged {
  bool fits = true;
  bool possible = true;
};
using judged_groups = std::array<judged, read_order.size()>;
/// Gives the row its members that the tables hold in another form, when all columns were read.
void take_extras(read_row&, row_extras&, judged_groups&);

/// A row of read_rows_sql. A job whose input, state or result does not fit its checksum is FAILED
/// with errc::store_corrupt and `damaged`; errc::store_corrupt alone when the job's identity is
/// unreadable. Rows up to `unsealed` may have no checksums. `seen` counts the rows and their sums.
result<read_row> read_next(statement&, const store_clock&, std::uint64_t unsealed,
                           row_sums::totals& seen);
/// The row of read_meta_sql. False: it is damaged.
bool read_meta(statement&, meta_row&);

} // namespace tayfa::store
