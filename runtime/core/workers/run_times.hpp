// Durations of runs and loads, learned from earlier ones. Pure and bounded.
//
// Assumptions: the time of one engine run depends on the model, the job's shape class, the kind of
// device and the number of members in a batch; it drifts slowly (exponentially weighted mean,
// weight 1/8, and mean deviation, as in RFC 6298); what was never seen is guessed from what is
// nearest: same model and shape on another device, scaled by how those two devices compared on
// other work; same model, other shapes; then a default. A number of members that was never seen
// lies on the line through the two nearest numbers that were; of one number alone, a run is taken
// to cost one member more than it has.
#pragma once

#include "messages/job.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
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

  /// Expected rest of a run after `elapsed_ms`. An overdue run is not about to end: the longer it
  /// has taken, and the more such runs differ, the longer it is expected to go on.
  double remaining_ms(double elapsed_ms) const;
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
  static constexpr std::size_t points_max = 8;      ///< 1, 2, 3-4, 5-8, ... 65 and more members
  static constexpr std::size_t neighbours_max = 64; ///< kinds looked at for a guess
  static constexpr std::size_t pairs_max = 1024;    ///< pairs of devices that are compared

  /// Runs of about so many members.
  struct point {
    double members = 0; ///< mean
    double ms = 0;
    double deviation = 0;
    std::uint32_t seen = 0;
  };
  struct times {
    std::array<point, points_max> points;
    std::uint32_t seen = 0;
    std::list<const work_kind*>::iterator used;
  };
  using table = std::map<work_kind, times>;
  using load_key = std::pair<std::string, std::string>; ///< model, device
  struct load_times {
    double ms = 0;
    std::list<const load_key*>::iterator used;
  };
  /// Logarithm of how much longer the first device takes than the second.
  struct comparison {
    double log_ratio = 0;
    std::uint32_t seen = 0;
  };
  using device_pair = std::pair<std::string, std::string>;

  static run_estimate at(const times&, std::uint32_t members);
  void compare(table::const_iterator);
  double ratio(const std::string& device, const std::string& other, std::uint32_t& seen) const;
  std::optional<double> from_other_devices(const work_kind&, std::uint32_t members) const;
  std::optional<double> from_other_shapes(const work_kind&, std::uint32_t members) const;

  table table_;
  std::list<const work_kind*> used_; ///< the one used last comes last
  std::map<device_pair, comparison> devices_;
  std::map<load_key, load_times> loads_;
  std::list<const load_key*> loads_used_;
};

} // namespace tayfa
