// A connection to PostgreSQL, and statements in pipelines: all of a transaction goes out at once
// and its answers come back at once, so a commit costs one round trip.
//
// Blocks the calling thread, never beyond the moment that the caller names, and never once `stop`
// is readable. A pipeline that was cut may have taken effect or not: the caller must find out
// (pg_head). Owned by one thread.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/unique_fd.hpp"
#include "runtime/store/pg/pg_address.hpp"
#include "runtime/store/pg/pg_wire.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace tayfa::store {

/// The rows that one statement returned, in binary form. Copies share them.
class pg_rows {
 public:
  pg_rows() = default;
  explicit pg_rows(pg_result* taken);
  int count() const;
  bool is_null(int row, int column) const;
  std::string_view bytes(int row, int column) const; ///< as long as these rows
  std::int64_t number(int row, int column) const { return number_of_wire(bytes(row, column)); }
  std::string text(int row, int column) const { return std::string{bytes(row, column)}; }
  std::string_view tag() const; ///< "COMMIT", "UPDATE 3"

 private:
  std::shared_ptr<pg_result> handle_;
};

/// The end of a pipeline.
struct pg_outcome {
  enum class kind : std::uint8_t {
    done,    ///< every statement was carried out
    refused, ///< one failed, and those behind it were not run; the connection goes on
    cut,     ///< the connection is lost, or no answer came in time: what happened is not known
    unsent,  ///< the connection had been lost before: nothing was carried out
  };
  kind how = kind::cut;
  std::vector<pg_rows> rows{}; ///< done: of each statement
  std::size_t failed = 0;      ///< refused: which one
  std::string state{};         ///< SQLSTATE of the first error, if there was one
  std::string text{};          ///< for people; never holds the password
  bool warned = false;         ///< the server sent a warning, which `text` may quote
  bool is_done() const { return how == kind::done; }
};

class pg_session {
 public:
  struct surroundings {
    const time_source& time;
    const unique_fd& stop; ///< readable: give up at once
  };

  /// Tries each host of the address once. errc::unavailable; errc::bad_config when trying again
  /// would not help (a wrong password, no such database).
  static result<pg_session> connect(const pg_address&, std::chrono::milliseconds each_host,
                                    surroundings);

  /// Runs the statements as one pipeline. A connection that was cut is of no more use.
  pg_outcome run(std::span<const pg_call>, moment deadline);
  pg_outcome run(const pg_call& one, moment deadline) { return run({&one, 1}, deadline); }
  /// A pipeline that gives the statements names.
  pg_outcome prepare(std::span<const std::pair<std::string, std::string>> names_and_sql,
                     moment deadline);
  /// Readable when something has come; for poll() only.
  int socket() const;
  /// Takes a notification; false: none came before the moment.
  bool is_notified(moment deadline);

 private:
  struct state;
  struct closer {
    void operator()(state*) const;
  };
  explicit pg_session(std::unique_ptr<state, closer>);
  static result<pg_session> connect_one(const pg_address&, std::size_t host, moment deadline,
                                        surroundings);
  pg_outcome finish(std::size_t calls, moment deadline);
  bool take_results(pg_outcome&, std::size_t& at, bool& answered, bool& over);
  pg_outcome lost(pg_outcome, std::string_view why);
  bool is_lost(); ///< as far as has been heard

  std::unique_ptr<state, closer> state_;
};

} // namespace tayfa::store
