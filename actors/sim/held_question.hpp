// A question of a simulated client that the pod may hold, and whether it was held as it promises:
// not longer than was asked for or until the job has ended, and not shorter while there is nothing
// to say. Pure.
#pragma once

#include "runtime/base/random.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace tayfa::sim {

struct held_question {
  std::string method, target;
  std::chrono::milliseconds wait{0};
  /// The client leaves so long after it has asked.
  std::optional<std::chrono::milliseconds> leaves{};
  std::chrono::nanoseconds age{0}; ///< of the job when it was asked

  /// About a job's end or, with `chunks`, about its stream.
  static held_question draw(const std::string& id, bool chunks, random_source&);
  struct surroundings {
    bool actors_die = false; ///< then calls are answered early, with what there is
    bool runs_again = false; ///< jobs do, so their times describe only their last run
  };
  /// The fault of an answer that came after `took`; empty = none.
  std::string fault(std::chrono::nanoseconds took, unsigned status, const std::string& body,
                    const surroundings&) const;
};

} // namespace tayfa::sim
