// Texts of jobs, read on a connection of their own: a large one does not hold up commits. A text
// comes in slices, so that no more than a slice is in a buffer of the connection at any time.
//
// Blocks the caller's thread. Reads the jobs of every head.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/unique_fd.hpp"
#include "runtime/store/pg/pg_session.hpp"
#include "runtime/store/store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace tayfa::store {

class pg_reader {
 public:
  static constexpr std::int64_t slice = std::int64_t{1} << 20;

  pg_reader(const pg_address&, const time_source&, const unique_fd& stop, std::string schema,
            std::chrono::milliseconds connect);

  /// Tries once: connects if there is no connection. errc::job_not_found, store_corrupt, io_error;
  /// unavailable: another try is right.
  result<shared_text> fetch(std::uint64_t order, job_store::column);
  void close() { session_.reset(); }

 private:
  result<void> connect();
  result<pg_outcome> run(const std::vector<pg_call>&);
  result<shared_text> read(std::int64_t job, const char* first, const char* more);

  const pg_address& address_;
  const time_source& time_;
  const unique_fd& stop_;
  const std::string schema_;
  const std::chrono::milliseconds connect_;
  std::optional<pg_session> session_;
};

} // namespace tayfa::store
