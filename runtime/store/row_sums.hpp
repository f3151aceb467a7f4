// Checksums over rows: SHA-256 of a row's columns, cut to 64 bits, bound to its table and its
// order, so that neither a flipped bit nor an exchanged row passes; and a running total over all
// rows of the store, which reveals rows that are missing, double, or of an earlier time.
//
// SQL functions of one connection, so that what is written and what is verified is one expression:
//   row_sum(kind, column, …)  the sum of these values
//   swap_sum(old, new)        new; the total is moved from the one to the other
//
// Owned by store_file, outlives the connection that it is attached to. One thread at a time.
// Invariant: between transactions `total()` is that of the committed rows.
#pragma once

#include "runtime/store/sql.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

struct evp_md_st;
struct evp_md_ctx_st;
struct sqlite3_context;
struct sqlite3_value;

namespace tayfa::store {

class row_sums {
 public:
  row_sums();
  ~row_sums();
  row_sums(const row_sums&) = delete;
  row_sums& operator=(const row_sums&) = delete;

  result<void> attach(database&);

  /// To be called before a statement that puts a row with row_sum() as its last value, and after
  /// it: a row that was not there before (swap_sum() was not called) is added to the total.
  void before_put() { swapped_ = false; }
  void after_put();
  /// A row with this sum was read back, or is added by hand; or was erased.
  void add(std::uint64_t sum);
  void remove(std::uint64_t sum);

  struct totals {
    std::uint64_t rows = 0;
    std::uint64_t sum = 0; ///< of all sums, modulo 2^64
    bool operator==(const totals&) const = default;
  };
  const totals& total() const { return total_; }
  void set(const totals& to) { total_ = to; }

 private:
  static void row_sum(sqlite3_context*, int count, sqlite3_value** values);
  static void swap_sum(sqlite3_context*, int count, sqlite3_value** values);
  bool digest(int count, sqlite3_value** values, std::uint64_t& out);
  void feed(std::string_view bytes);
  void flush();

  struct freer {
    void operator()(evp_md_st*) const;
    void operator()(evp_md_ctx_st*) const;
  };
  std::unique_ptr<evp_md_st, freer> algorithm_;
  std::unique_ptr<evp_md_ctx_st, freer> context_;
  std::array<char, 1024> gathered_{}; ///< small values go to the digest together
  std::size_t used_ = 0;
  bool good_ = true;
  totals total_;
  std::uint64_t last_ = 0; ///< of the latest row_sum()
  bool swapped_ = false;
};

} // namespace tayfa::store
