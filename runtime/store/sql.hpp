// SQLite's C interface with owners and results: one connection, and prepared statements that are
// used again and again. Owned by sqlite_store; one thread at a time.
//
// Invariants: a statement never outlives its database; after a use it is reset, so it holds neither
// a lock nor somebody's text.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace tayfa::store {

class database {
 public:
  database() = default;
  /// Opens the file, which exists, and locks it for good with its first use; so there is no shared
  /// memory file, and a second opener gets store_locked. Closing writes nothing. `vfs` may be
  /// empty.
  static result<database> open(const std::string& path, const std::string& vfs);

  result<void> run(const char* sql);            ///< results are dropped
  result<std::int64_t> number(const char* sql); ///< first column of the first row
  result<std::string> text(const char* sql);
  bool in_transaction() const;
  sqlite3* handle() const { return handle_.get(); }
  /// Translates SQLite's code, with its text: storage_full, store_locked, store_corrupt, else
  /// store_failed.
  error why(int code, std::string_view what) const;
  void close() { handle_.reset(); }

 private:
  struct closer {
    void operator()(sqlite3*) const;
  };
  std::unique_ptr<sqlite3, closer> handle_;
};

class statement {
 public:
  statement() = default;
  statement(database&, const char* sql);
  statement(database& in, const std::string& sql) : statement(in, sql.c_str()) {}

  /// The next parameters, in order. Texts are not copied: they live until reset().
  statement& bind(std::int64_t);
  statement& bind(std::string_view); ///< TEXT
  statement& bind_null();
  statement& bind_number(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }

  /// Runs to the end and resets.
  result<void> run();
  /// True: there is a row. Call reset() at the end.
  result<bool> step();
  void reset();

  // The next columns of the row, in order.
  bool next_is_null() const;
  std::int64_t number();
  std::uint64_t unsigned_number() { return static_cast<std::uint64_t>(number()); }
  std::string text();
  std::string_view view(); ///< until the next step
  std::optional<std::int64_t> maybe_number();

 private:
  struct finalizer {
    void operator()(sqlite3_stmt*) const;
  };
  std::unique_ptr<sqlite3_stmt, finalizer> handle_;
  database* database_ = nullptr;
  int parameter_ = 0;
  int column_ = 0;
  int code_ = 0; ///< the first thing that went wrong since reset()
};

} // namespace tayfa::store
