// A job_row as columns, both ways. Pure but for the statement it fills or reads.
//
// What is read back was written by us and may still be wrong (another tool, a damaged disk): it is
// checked like everything from outside, and errc::store_corrupt names the row.
#pragma once

#include "runtime/store/row.hpp"
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

extern const char* const put_request_sql;  ///< insert, or the same again
extern const char* const insert_state_sql; ///< insert, or replace
extern const char* const update_state_sql; ///< only a row that is there
extern const char* const put_output_sql;
extern const char* const put_chunks_sql;
extern const char* const read_rows_sql; ///< all, by order

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
result<read_row> read_next(statement&, const store_clock&);

} // namespace tayfa::store
