// A column of a stored record: its name, its place in the schema, and how a value goes in and comes
// out. The statements, the binding and the reading of a row, the schema and its migrations are made
// of tables of these (stored_tables.hpp).
//
// Knows no database: a cell is what each of them can hold. Pure.
#pragma once

#include "runtime/store/row.hpp"
#include "runtime/store/store_clock.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace tayfa::store {

/// NULL, a number, or a text that a record or a statement holds.
using cell = std::variant<std::monostate, std::int64_t, std::string_view>;

/// A text of a row: itself, or the name of its file (text_files), and its size in both cases.
struct stored_text {
  std::string_view here{};
  std::string file{};
  std::size_t bytes = 0;
};

/// A job as far as the tables hold it in another form than its job_row does. The views are the
/// caller's while a row is written, and the statement's until its next step while one is read.
struct row_extras {
  stored_text input{}, output{};
  std::string_view history{}; ///< history_text
  std::string_view chunks{};  ///< chunks_text
  bool input_released = false;
};

/// The one row of the whole store.
struct meta_row {
  std::uint64_t last_order = 0; ///< ever given
  store_clock::saved clock;
  std::uint64_t commits = 0;  ///< so far
  std::uint64_t jobs = 0;     ///< rows of all jobs
  std::uint64_t total = 0;    ///< of their checksums
  std::uint64_t unsealed = 0; ///< rows up to this order may have no checksums
  std::int64_t tables = 0;    ///< sum of their definitions
};

/// The records behind the columns of one row; a column asks for its own only.
template <class Job, class Extras, class Meta>
struct row_values {
  const store_clock& clock;
  Job* job = nullptr;
  Extras* extras = nullptr;
  Meta* meta = nullptr;
};
using row_source = row_values<const job_row, const row_extras, const meta_row>;
using row_target = row_values<job_row, row_extras, meta_row>;

enum class column_type : std::uint8_t { integer, text };

/// The checksums of a table's rows (row_sums.hpp). The main one counts in the store's total; the
/// side one covers what may be lost or damaged by itself.
enum sums : std::uint8_t { no_sum = 0, main_sum = 1, side_sum = 2 };

inline constexpr int first_with_sums = 3; ///< version of the schema

struct column {
  std::string_view name;
  column_type type = column_type::integer;
  bool nullable = false;
  /// No function: a checksum, which the database computes.
  cell (*write)(const row_source&) = nullptr;
  /// False: such a value was never written.
  bool (*read)(const cell&, const row_target&) = nullptr;
  const char* member = nullptr; ///< member_id of the member that it stands for

  std::uint8_t sums = main_sum; ///< that cover it
  int since = 1;                ///< version of the schema
  bool primary = false;
  bool sticky = false;         ///< an update never makes it smaller
  std::string_view check = {}; ///< SQL condition

  template <class T>
  constexpr column with(T column::*what, std::type_identity_t<T> value) const {
    column out = *this;
    out.*what = value;
    return out;
  }
  /// First stored by this version of the schema.
  constexpr column from(int version) const { return with(&column::since, version); }
  constexpr bool is_sum() const { return write == nullptr; }
};

struct table {
  std::string_view name; ///< also the kind of its main checksum
  std::string_view side; ///< kind of the side one; its column is <side>_sum
  std::span<const column> columns;
};

/// A statement that writes the columns under these checksums has a parameter for this one. Binding
/// and the statement's text both walk the table with this question.
constexpr bool is_bound(const column& each, std::uint8_t which) {
  return !each.is_sum() && (each.primary || (each.sums & which) != 0);
}
/// This column is read with those under these checksums; the key once for each table.
constexpr bool is_read(const column& each, std::uint8_t which) {
  return !each.is_sum() && (each.primary ? (which & main_sum) != 0 : (each.sums & which) != 0);
}

/// Names a member of a record: its address is the name.
template <auto Member>
inline constexpr char member_id = 0;

} // namespace tayfa::store
