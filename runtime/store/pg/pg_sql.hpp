// The statements of PostgreSQL's tables, made of the same columns as SQLite's (stored_tables.hpp,
// row_sql.hpp). Parameters are arrays, one for each column in the order of the table's walk
// (is_bound); values are read in the order of `read_order` (is_read). Pure.
//
// Differences of the dialect: a text is bytea; a large text stays in its row, out of line, and is
// read by fetch() alone; there are no checksums of ours, as functions of ours do not run there (the
// server has its own, over pages). Beside the columns of the list, a row of `states` has its owner.
#pragma once

#include "runtime/store/stored_tables.hpp"

#include <string>

namespace tayfa::store {

/// Makes the table with its columns up to this version of the schema.
std::string pg_create_sql(const table&, int version);
/// The columns that this version brings to the tables of the version before; empty for none.
std::string pg_step_sql(const table_set&, int version);

/// Rows with the columns under these checksums, or their new values. Of `states`, with the owner
/// as the last parameter; fails (division by zero) when a row is another owner's. Of `results`,
/// only for jobs whose state belongs to the last parameter.
std::string pg_put_sql(const table&, std::uint8_t which);
/// Only rows that are there and belong to the last parameter.
std::string pg_update_sql(const table& states);
/// How many parameters these have, without the last one.
std::size_t pg_columns(const table&, std::uint8_t which);

/// Jobs by order: for each of `read_order` the columns. Of $1, the owner, those above $2, at most
/// $3; or all in the array $1.
std::string pg_read_page_sql(const table_set&);
std::string pg_read_jobs_sql(const table_set&);

} // namespace tayfa::store
