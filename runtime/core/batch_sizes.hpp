// How many jobs of one kind are worth running together: configured, or learned. Pure and bounded.
//
// Assumptions: a run of n members takes longer than one of n - 1, usually by less than one more
// run; memory grows with n, so an out-of-memory at n says that n is too many until the engine is
// new. Learning doubles the size while a member's share of the time falls by at least 5 %, steps
// back when it does not, and tries the next size again now and then (every 64 runs), as load
// changes.
#pragma once

#include "runtime/core/run_times.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <utility>

namespace tayfa {

class batch_sizes {
 public:
  static constexpr std::size_t kinds_max = 4096;

  /// `configured` 0 = learn.
  explicit batch_sizes(std::uint32_t configured = 0);

  /// The most members that the next run shall have; 1 .. engine_max.
  std::uint32_t most(const work_kind&, std::uint32_t engine_max) const;
  void ran(const work_kind&, std::uint32_t members, double ms);
  void out_of_memory(const work_kind&, std::uint32_t members);

 private:
  // (the author of batch_sizes.cpp decides)
};

} // namespace tayfa
