// The statements of the store's tables. Each column is listed once (row_sql.cpp), in the order in
// which row_codec binds and reads it, and is covered by one checksum (row_sums.hpp).
#pragma once

#include <string>

namespace tayfa::store {

extern const std::string put_request_sql;  ///< insert, or the same again
extern const std::string insert_state_sql; ///< insert, or replace
extern const std::string update_state_sql; ///< only a row that is there
extern const std::string put_output_sql;
extern const std::string put_chunks_sql;
extern const std::string put_meta_sql;
extern const std::string read_rows_sql;  ///< all, by order
extern const std::string read_meta_sql;  ///< and whether it fits its sum
extern const std::string read_input_sql; ///< text, bytes, file, released, fits
extern const std::string read_output_sql;
extern const std::string seal_sql;      ///< gives sums to all rows
extern const std::string seal_meta_sql; ///< and to meta's

} // namespace tayfa::store
