#include "runtime/store/sql.hpp"

#include <cerrno>
#include <sqlite3.h>

namespace tayfa::store {

void database::closer::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}
void statement::finalizer::operator()(sqlite3_stmt* handle) const {
  sqlite3_finalize(handle);
}

result<database> database::open(const std::string& path, const std::string& vfs) {
  database opened;
  sqlite3* handle = nullptr;
  // The connection is used by a single thread at a time, so SQLite's own mutexes would only cost.
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                      vfs.empty() ? nullptr : vfs.c_str());
  opened.handle_.reset(handle);
  if (code != SQLITE_OK) {
    return fail(handle == nullptr ? error{errc::store_failed, "no memory for the store"}
                                  : opened.why(code, "opening"));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_busy_timeout(handle, 100);
  if (auto locks = opened.run("PRAGMA locking_mode=EXCLUSIVE"); !locks) {
    return fail(locks.error());
  }
  return opened;
}

error database::why(int code, std::string_view what) const {
  const std::string words = std::string{what} + ": " + sqlite3_errmsg(handle_.get());
  switch (code & 0xff) {
  case SQLITE_FULL: return {errc::storage_full, words};
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return {errc::store_locked, words};
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
  // Our statements fit our tables: where they do not, the tables are not as they were made.
  case SQLITE_ERROR:
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH:
  case SQLITE_TOOBIG: return {errc::store_corrupt, words};
  default: break;
  }
  // A quota that is used up is a full disk to us; SQLite has no word for it.
  if (code == SQLITE_IOERR_WRITE && sqlite3_system_errno(handle_.get()) == EDQUOT) {
    return {errc::storage_full, words};
  }
  return {errc::store_failed, words + " (" + std::to_string(code) + ")"};
}

result<void> database::run(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) {
    return fail(why(code, sql));
  }
  return {};
}

namespace {

/// Reads the first row, and runs to the end: what a statement writes may be written, and fail, only
/// there.
template <class T>
result<T> first_of(statement query, T (statement::*read)()) {
  T value{};
  for (bool first = true;; first = false) {
    const auto row = query.step();
    if (!row) {
      return fail(row.error());
    }
    if (!*row) {
      return value;
    }
    if (first) {
      value = (query.*read)();
    }
  }
}

} // namespace

result<std::string> database::text(const char* sql) {
  return first_of<std::string>({*this, sql}, &statement::text);
}

result<std::int64_t> database::number(const char* sql) {
  return first_of<std::int64_t>({*this, sql}, &statement::number);
}

bool database::in_transaction() const {
  return handle_ && sqlite3_get_autocommit(handle_.get()) == 0;
}

statement::statement(database& in, const char* sql) : database_(&in) {
  sqlite3_stmt* handle = nullptr;
  code_ = sqlite3_prepare_v3(in.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  handle_.reset(handle);
}

statement& statement::bind(std::int64_t value) {
  const int code = sqlite3_bind_int64(handle_.get(), ++parameter_, value);
  code_ = code_ == SQLITE_OK ? code : code_;
  return *this;
}

statement& statement::bind(std::string_view text) {
  // A null pointer would bind NULL; the empty text is a value.
  const char* const data = text.data() == nullptr ? "" : text.data();
  const int code = sqlite3_bind_text64(handle_.get(), ++parameter_, data, text.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  code_ = code_ == SQLITE_OK ? code : code_;
  return *this;
}

statement& statement::bind_null() {
  const int code = sqlite3_bind_null(handle_.get(), ++parameter_);
  code_ = code_ == SQLITE_OK ? code : code_;
  return *this;
}

result<bool> statement::step() {
  column_ = 0;
  if (code_ == SQLITE_OK) {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
      return code == SQLITE_ROW;
    }
    code_ = code;
  }
  return fail(database_->why(code_, "a statement"));
}

result<void> statement::run() {
  const auto row = step();
  reset();
  if (!row) {
    return fail(row.error());
  }
  return {};
}

void statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  parameter_ = 0;
  column_ = 0;
  code_ = handle_ ? SQLITE_OK : code_;
}

std::int64_t statement::number() {
  return sqlite3_column_int64(handle_.get(), column_++);
}

std::string_view statement::view() {
  const int column = column_++;
  const auto* const data = sqlite3_column_text(handle_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
  return data == nullptr ? std::string_view{}
                         : std::string_view{reinterpret_cast<const char*>(data), size};
}

std::string statement::text() {
  return std::string{view()};
}

bool statement::next_is_null() const {
  return sqlite3_column_type(handle_.get(), column_) == SQLITE_NULL;
}

std::optional<std::int64_t> statement::maybe_number() {
  if (next_is_null()) {
    ++column_;
    return {};
  }
  return number();
}

} // namespace tayfa::store
