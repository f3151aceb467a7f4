// A job_row as columns, both ways. Pure but for the statement it fills or reads.
//
// What is read back was written by us and may still be wrong (another tool, a damaged disk): it is
// checked like everything from outside, and errc::store_corrupt names the row.
#pragma once

#include "runtime/store/row.hpp"
#include "runtime/store/row_sums.hpp"
#include "runtime/store/sql.hpp"
#include "runtime/store/store_clock.hpp"

#include <string>
#include <string_view>

namespace tayfa::store {

/// A text in a row: itself, or the name of its file (text_files), and its size in both cases.
struct stored_text {
  std::string_view here;
  std::string file;
  std::size_t bytes = 0;
};

void bind_request(statement&, const job_row&, const store_clock&, const stored_text& input);
/// `history` (history_text) lives until the statement is run. For both state statements.
void bind_state(statement&, const job_row&, const store_clock&, std::string_view history,
                bool input_released);
void bind_output(statement&, const job_row&, const stored_text& output);
void bind_chunks(statement&, const job_row&, std::string_view chunks);

/// JSON, so that a person with the sqlite3 tool can read it. Empty for no attempts.
std::string history_text(const std::vector<attempt_view>&);
/// Each chunk as <bytes>:<text>, one after the other (netstrings without the comma).
std::string chunks_text(const std::vector<chunk>&);

/// One row, and the names of its files.
struct read_row {
  job_row row;
  std::string input_file, output_file;
};
/// A row of read_rows_sql. A job whose input, state or result does not fit its checksum is FAILED
/// with errc::store_corrupt and `damaged`; errc::store_corrupt when it cannot be told whose job it
/// is. Rows up to `unsealed` may have no checksums. `seen` counts the rows and their sums.
result<read_row> read_next(statement&, const store_clock&, std::uint64_t unsealed,
                           row_sums::totals& seen);

} // namespace tayfa::store
