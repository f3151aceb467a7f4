// A store for the job world's rows: one batch at a time, like the queue.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/store/store.hpp"
#include "tests/job_model/dice.hpp"
#include "tests/job_model/perfect_store.hpp"

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
  virtual bool keeps_large_texts() const = 0;
  /// No more faults.
  virtual void heal() {}
};

using make_keeper = std::function<std::unique_ptr<row_keeper>(dice, const time_source&)>;

/// In memory. It is full now and then, or its outcome is unknown.
class memory_keeper final : public row_keeper {
 public:
  explicit memory_keeper(dice d) : dice_(std::move(d)) {}

  commit_result commit(const store::batch& b) override {
    if (faults_ && dice_(12) == 11) {
      return commit_result::full;
    }
    const bool broken = faults_ && dice_(200) == 199;
    if (!broken || dice_(2) == 0) {
      rows_.apply(b);
    }
    return broken ? commit_result::broken : commit_result::done;
  }
  job_store::recovered crash(const store::batch* on_its_way) override {
    if (on_its_way != nullptr && dice_(2) == 0) {
      rows_.apply(*on_its_way);
    }
    return {rows_.rows(), rows_.last_order()};
  }
  shared_text fetch(std::uint64_t, job_store::column) override { return {}; }
  bool keeps_large_texts() const override { return false; }
  void heal() override { faults_ = false; }

 private:
  dice dice_;
  perfect_store rows_;
  bool faults_ = true;
};

inline std::unique_ptr<row_keeper> keep_in_memory(dice d, const time_source&) {
  return std::make_unique<memory_keeper>(std::move(d));
}

} // namespace tayfa::testing
