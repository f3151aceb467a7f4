// The store's own time: milliseconds that only grow, over restarts and reboots. Moments are written
// as store milliseconds and read back as moments of the process that reads.
//
//   * The same boot of the same machine: the monotonic clock goes on between processes, so the
//     translation of the last process is taken over, and a moment means exactly the same point in
//     time, whatever the wall clock did.
//   * Another boot (or another machine, or a namespace whose monotonic clock is behind what was
//     already written): the store goes on from the time of its last commit, plus what the wall
//     clock says has passed, but at least nothing and at most `gap_max`. A wall clock that jumped
//     back never makes time run backward; one that jumped ahead by a year does not end every job by
//     its ttl. The price: of a longer absence only `gap_max` counts.
//   * The first time: the wall clock, so that people can read the numbers. Nothing relies on it.
//
// A plain value, owned by the store. Invariant: to_store() never falls for growing moments.
#pragma once

#include "runtime/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace tayfa::store {

class store_clock {
 public:
  static constexpr std::chrono::milliseconds gap_max = std::chrono::hours{24};

  /// The values written with each commit.
  struct saved {
    std::string boot{};         ///< kernel's boot id; empty = unknown, no boot is the same
    std::int64_t offset_ms = 0; ///< store milliseconds = monotonic milliseconds + offset
    std::int64_t clock_ms = 0;  ///< the store's time at the commit
    std::int64_t wall_ms = 0;   ///< the wall clock then, Unix epoch
  };

  store_clock() = default;
  store_clock(const std::optional<saved>& last, const time_source&, std::string boot);

  /// Store milliseconds = monotonic milliseconds + offset: a clock that another machine gives.
  static store_clock with_offset(std::string boot, std::int64_t offset_ms);

  saved save(const time_source&) const;
  /// Rounded down to the millisecond. The ends of moment's range ("never") stay what they are.
  std::int64_t to_store(moment) const;
  moment from_store(std::int64_t) const;

 private:
  std::string boot_;
  std::int64_t offset_ms_ = 0;
};

/// The boot id of this machine's kernel; empty when it has none.
std::string boot_id_here();

} // namespace tayfa::store
