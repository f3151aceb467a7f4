// A worker as the worker pool sees it. Plain data; the pool has the rules.
#pragma once

#include "messages/ids.hpp"
#include "messages/worker.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/workers/run_times.hpp"
#include "runtime/core/workers/worker_index.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tayfa {

/// An attempt in a worker. Members of a batch begin together and have the same estimate.
struct held_attempt {
  moment began; ///< it was given
  run_estimate expected;
  double occupied_ms = 0; ///< pool_worker::occupied_ms then
  bool claimed = false;   ///< it began before this process: nothing is learned of it
};

/// A place's latest worker. It stays in the pool when gone, so that an older incarnation is
/// recognised, unless it is to be forgotten.
struct pool_worker {
  worker_ref ref;
  worker_facts facts;
  std::shared_ptr<const std::string> name;    ///< unless it is its place's default
  std::shared_ptr<const std::string> lasting; ///< its lasting name; null = it has none
  bool present = false;
  bool draining = false;
  bool alone = false;                        ///< runs an attempt that must not share it
  std::uint64_t since = 0;                   ///< tick of the last change of its load
  std::map<attempt_ref, held_attempt> holds; ///< given and not ended, revoked ones included

  // Only for workers that pull:
  bool handing_over = false;       ///< this decision gives it something
  std::size_t hand_over_bytes = 0; ///< of the inputs that this decision gives it
  std::uint64_t hand_overs = 0;    ///< decisions that gave it something

  // The run that its attempts are members of.
  std::uint32_t members = 0; ///< 0 = they are apart, each a run of its own
  work_kind run;
  moment run_began;
  bool run_clean = true; ///< every member that has ended completed

  /// Attempts in it, summed over time: the mean occupancy of an attempt's time follows from it.
  double occupied_ms = 0;
  moment occupied_at; ///< summed up to then

  std::string changing_to; ///< asked to change its model; until it is back, or given up on
  moment change_asked;
  moment back_at;      ///< expected
  moment change_until; ///< not counted on any more

  /// Tenants, one for each attempt, for whose attempts its engine has to be started anew; each
  /// was charged blamed_ms, and is charged the rest when the next engine is there.
  std::vector<std::string> blamed;
  double blamed_ms = 0;
  moment gone_at;

  std::uint32_t counted_capacity = 0; ///< in the pool's local capacity
  double reserved_ms = 0;             ///< within one decision: kept for jobs that wait for it
  worker_index::entry at;             ///< where the index has it

  /// True if the worker runs one job, or one batch, at a time.
  bool one_run() const { return facts.batches() || facts.capacity == 1; }
  /// Its attempts run side by side and slow each other down.
  bool shares_engine() const { return facts.continuous && !facts.pulls && facts.capacity > 1; }
  moment::duration reserved() const {
    return std::chrono::duration_cast<moment::duration>(
        std::chrono::duration<double, std::milli>{reserved_ms});
  }
  /// The model that it has, or will have when it is back.
  const std::string& model() const { return changing_to.empty() ? facts.model : changing_to; }
  bool may_be_given() const;
  /// True if the worker takes one more attempt of a job that may share it.
  bool has_room() const { return may_be_given() && (!facts.batches() || holds.empty()); }
  /// True if the worker takes an attempt that must not share it.
  bool is_empty() const { return has_room() && holds.empty(); }
  /// The estimated time at which the worker has a place; `whole`: when it has nothing else. Never
  /// earlier at a later `now`, as long as what it holds is the same.
  moment free_at(moment now, bool whole) const;
};

} // namespace tayfa
