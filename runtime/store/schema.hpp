// The store's file as SQLite sees it: how it is opened and checked, and how a file of an earlier
// release gets the tables of today (stored_tables.hpp). Pure functions over a connection.
//
// A file that is not ours, damaged, or newer than this program is refused as it is: nothing is
// written before it was recognised.
#pragma once

#include "runtime/store/row_sums.hpp"
#include "runtime/store/sql.hpp"
#include "runtime/store/stored_tables.hpp"

#include <cstdint>
#include <string>

namespace tayfa::store {

inline constexpr std::int64_t application_mark = 0x54614a51; ///< "TaJQ", in the file's header

struct schema_options {
  std::string vfs{}; ///< of SQLite; empty = the machine's
  bool flush = true; ///< false: synchronous=OFF, which breaks the promise (for tests of tests)
  std::int64_t log_limit = 0; ///< bytes that the write-ahead log keeps after a checkpoint
};

/// Bytes in use up to which a file of an earlier release is rewritten as a whole: its rows get
/// checksums, and it can give space back. A larger one is taken over as it is.
inline constexpr std::int64_t rewrite_max = std::int64_t{64} << 20;

/// Makes an empty store out of an empty file. The caller gives it its name when this has succeeded,
/// so a store's file is whole or not there.
result<void> create_database(const std::string& path, const schema_options&, row_sums&);

/// Compares what never changes in the first 100 bytes of a file of ours; SQLite would believe a
/// damaged one. errc::store_corrupt.
result<void> check_head(std::string_view first_bytes);

/// The connection to a file that is ours, whole and of this version, with the functions of the
/// sums, which outlive it. errc::store_locked,
/// store_corrupt, storage_full, store_failed, else io_error.
result<database> open_database(const std::string& path, const schema_options&, row_sums&);

/// Each version after `from` in a transaction of its own; from 0 an empty file.
result<void> migrate(database&, std::int64_t from, const table_set& to, row_sums&);

/// The sum of the tables' definitions.
result<std::int64_t> sum_of_tables(database&);
/// Pages that hold something.
result<std::int64_t> used_bytes(database&);

} // namespace tayfa::store
