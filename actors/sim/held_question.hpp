// A question of a simulated client that the pod may hold, and whether it was held as it promises:
// not longer than was asked for or until the job has ended, and not shorter while there is nothing
// to say. Pure.
#pragma once

#include "runtime/world/random.hpp"

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
  /// The fault of an answer that came after `took`; empty = nothing. `may_be_early`: parts of
  /// the pod die, and then calls are answered with what there is, and jobs have more than one run.
  std::string fault(std::chrono::nanoseconds took, unsigned status, const std::string& body,
                    bool may_be_early) const;
};

} // namespace tayfa::sim
