// All jobs of one store go into another, and are proved to be there: how a user moves from a file
// to a database, and back.
//
// The target must be empty, or hold nothing but what an earlier copy of the same source left: then
// the copy goes on. The source is only read. No process serves either (both are opened, which
// excludes heads; the caller locks data folders). Blocks; owned by one thread.
#pragma once

#include "runtime/store/store.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tayfa::store {

/// Rows of a table, and the sum of their checksums over its columns. Equal for a job and its copy,
/// whose number may be another.
struct table_total {
  std::string_view table{};
  std::uint64_t rows = 0, sum = 0;
  bool operator==(const table_total&) const = default;
};
using store_totals = std::array<table_total, 3>;

struct copy_report {
  std::size_t jobs = 0;    ///< of the source
  std::size_t unended = 0; ///< of those
  std::size_t found = 0;   ///< that an earlier copy had left
  std::size_t damaged = 0; ///< rows that were not whole in the source: copied as FAILED
  std::uint64_t bytes = 0; ///< of inputs and outputs
  store_totals from{}, to{};
};

struct copy_limits {
  std::size_t jobs_at_once = 256;
  std::size_t bytes_at_once = std::size_t{8} << 20; ///< of texts; a larger job goes alone
};

/// `make` gives the store anew: what was copied is read back as the next process would read it.
/// `progress` hears how many jobs are done. errc::wrong_state: the target has jobs of its own, or
/// has been served since; store_corrupt: what was read back is not what was written; errors of the
/// stores.
using store_maker = std::function<std::unique_ptr<job_store>()>;
result<copy_report> copy_store(const store_maker& from, const store_maker& to, copy_limits,
                               const std::function<void(std::size_t)>& progress);

} // namespace tayfa::store
