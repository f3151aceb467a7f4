// What running and loading take, learned from what they took. Pure and bounded.
//
// Assumptions: the time of one engine run depends on the model, the job's shape class, the kind of
// device and the number of members in a batch; it drifts slowly (exponentially weighted mean,
// weight 1/8, and mean deviation, as in RFC 6298); what was never seen is guessed from what is
// nearest: same model and shape on another device, scaled by how those two devices compared on
// other work; same model, other shapes; then a default.
#pragma once

#include "messages/job.hpp"

#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace tayfa {

struct work_kind {
  std::string model;
  std::string shape;
  std::string device; ///< kind of device: "NVIDIA H200", "cpu"
  auto operator<=>(const work_kind&) const = default;
};

struct run_estimate {
  double ms = 0;          ///< of one run, whatever the number of its members
  double deviation = 0;   ///< mean absolute
  std::uint32_t seen = 0; ///< runs of exactly this kind; 0 = a guess
};

class run_times {
 public:
  static constexpr std::size_t kinds_max = 4096; ///< the kinds not used for longest are forgotten
  static constexpr double default_ms = 1'000;

  void ran(const work_kind&, std::uint32_t members, double ms);
  run_estimate expect(const work_kind&, std::uint32_t members = 1) const;

  /// Loading a model on a kind of device; `bytes` of its file serve as a guess (1 GB/s + 500 ms).
  void loaded(const std::string& model, const std::string& device, double ms);
  double expect_load(const std::string& model, const std::string& device,
                     std::uint64_t bytes) const;

 private:
  // (the author of run_times.cpp decides)
};

} // namespace tayfa
