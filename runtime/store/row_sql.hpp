// The statements of SQLite's tables, made of the columns. Parameters are in the order in which the
// table's walk binds them (is_bound), values in that in which it reads them (is_read). Pure.
#pragma once

#include "runtime/store/stored_tables.hpp"

#include <string>

namespace tayfa::store {

/// Inserts the columns under these checksums, or replaces them. Without the main one among them,
/// its columns get their defaults if the row is new.
std::string put_sql(const table&, std::uint8_t which);
/// Only a row that is there.
std::string update_sql(const table&);
/// The row of meta.
std::string put_meta_sql(const table& meta);
/// The checksum of a row that is there, as a version of the schema computes it.
std::string sum_sql(const table&, sums which, int version);
/// All jobs by order: for each of `read_order` the columns, their checksum, and whether it fits.
std::string read_rows_sql(const table_set&);
std::string read_meta_sql(const table& meta); ///< and whether it fits its checksum
std::string read_input_sql(const table_set&); ///< text, bytes, file, released, fits
std::string read_output_sql(const table_set&);
/// Gives checksums to all rows of a file that has just got the columns for them.
std::string seal_sql(const table_set&);
std::string seal_meta_sql(const table& meta, int version); ///< and to meta's
/// Makes the tables of the version before those of this one.
std::string step_sql(const table_set&, int version);

/// The state is before the input: a released input is not read.
struct read_group {
  table table_set::*from;
  sums which;
};
inline constexpr std::array read_order = {
    read_group{&table_set::requests, main_sum}, read_group{&table_set::states, main_sum},
    read_group{&table_set::requests, side_sum}, read_group{&table_set::results, main_sum},
    read_group{&table_set::results, side_sum}};

} // namespace tayfa::store
