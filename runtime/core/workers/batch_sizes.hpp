// How many jobs of one kind are worth running together: configured, or learned. Pure and bounded.
//
// Assumptions: a run of n members takes longer than one of n - 1, usually by less than one more
// run; memory grows with n, so an out-of-memory at n says that n is too many until the engine is
// new. Learning doubles the size while a member's share of the time falls by at least 5 %, steps
// back when it does not, and tries the next size again now and then (every 64 runs), as load
// changes; a size that has become worse than the one below makes it learn anew. A size that ran out
// of memory lowers the most by a quarter, and each time it happens the next try of a larger one
// waits twice as long.
#pragma once

#include "runtime/core/workers/run_times.hpp"

#include <array>
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
  /// An engine on this kind of device is new: what was too many may fit again.
  void engine_new(const std::string& device);

 private:
  static constexpr std::uint32_t levels_max = 17; ///< level k: more than 2^(k-1), at most 2^k
  static constexpr double gain_min = 0.05;        ///< to go to a level
  static constexpr double loss_max = 0.1;         ///< to stay at it; more apart than noise
  static constexpr std::uint32_t samples_min = 4; ///< runs of a size before it is judged
  static constexpr std::uint32_t retry_runs = 64;
  static constexpr std::uint32_t backoff_max = 10; ///< retry_runs doubles at most so often

  struct share {
    double ms = 0; ///< of one member, mean
    std::uint32_t seen = 0;
  };
  struct state {
    std::array<share, levels_max> shares;
    std::uint32_t level = 0;         ///< the size in use is 2^level
    bool trying = true;              ///< the level in use has not been judged yet
    std::uint32_t rest = 0;          ///< runs until the next level is tried, or its try given up
    std::uint32_t limit = 0;         ///< the most members, by memory; 0 = none known
    std::uint32_t out_of_memory = 0; ///< how often
    std::list<const work_kind*>::iterator used;
  };

  state& touch(const work_kind&);
  void judge(state&) const;
  static void try_next(state&);
  static void step_back(state&);

  std::uint32_t configured_;
  std::map<work_kind, state> states_;
  std::list<const work_kind*> used_; ///< the one used last comes last
};

} // namespace tayfa
