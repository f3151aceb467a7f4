// Values on their way to PostgreSQL and back, in its binary form: no escaping, no time zones, no
// text that a server's setting could change. An array carries one column of many rows, so that a
// statement for 500 jobs has as many parameters as a statement for one.
//
// Pure. Numbers are int8, texts are bytea: texts of engines may hold any bytes, which PostgreSQL's
// own text type would refuse.
#pragma once

#include "runtime/store/column.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa::store {

/// A parameter of a statement: NULL, or bytes in binary form.
struct pg_value {
  std::string bytes{};
  bool is_null = false;
};
pg_value pg_number(std::int64_t);
pg_value pg_bytes(std::string_view); ///< bytea or text: their binary form is the bytes themselves

/// A one-dimensional int8[] or bytea[] that grows by one element per row.
class pg_array {
 public:
  explicit pg_array(column_type);

  void add(const cell&);
  void add(std::int64_t);
  void add(std::string_view);
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_.size(); }
  /// The whole parameter; nothing is left in this one.
  pg_value take();

 private:
  std::string bytes_;
  std::size_t size_ = 0;
  bool has_null_ = false;
};

/// A statement and its parameters.
struct pg_call {
  std::string sql{};     ///< or the name of a prepared statement
  bool prepared = false; ///< `sql` is a name
  std::vector<pg_value> values{};
};

/// The number in a value of 1 (bool), 2, 4 or 8 bytes; 0 for anything else.
std::int64_t number_of_wire(std::string_view bytes);

} // namespace tayfa::store
