// Stores for the crash tests' rows: without faults, in SQLite, and in SQLite on a disk that fails
// and loses power. One batch at a time, like the queue.
#pragma once

#include "runtime/store/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace tayfa::testing {

enum class commit_result : std::uint8_t {
  done,
  full,   ///< unchanged; try again
  broken, ///< outcome unknown; the process must end
};

class row_keeper {
 public:
  virtual ~row_keeper() = default;
  /// The outcome of this batch, now.
  virtual commit_result commit(const store::batch&) = 0;
  /// The process died, with this batch on its way or with none. What a new process finds.
  virtual job_store::recovered crash(const store::batch* on_its_way) = 0;
  virtual shared_text fetch(std::uint64_t order, job_store::column) = 0;
  /// Texts larger than job_store::inline_max may leave memory.
  virtual bool keeps_large_texts() const { return true; }
  /// No more faults.
  virtual void heal() {}
};

/// A number in [0, n).
using dice = std::function<std::uint64_t(std::uint64_t n)>;

std::unique_ptr<row_keeper> keep_in_memory(dice, const time_source&);
std::unique_ptr<row_keeper> keep_in_sqlite(dice, const time_source&);
std::unique_ptr<row_keeper> keep_on_failing_disk(dice, const time_source&);

} // namespace tayfa::testing
