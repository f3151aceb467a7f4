// The fitness test of this machine for the engine. It runs once, in CONFIGURING, in a process of
// its own, so that a broken driver cannot hurt the pod.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tayfa {

/// Exit code of `tayfa check` and of `tayfa-engine --check`.
enum class fitness : std::uint8_t { fit = 0, reduced = 1, unfit = 2 };

struct check_row {
  std::string name; ///< "cuda devices", "tensor operation", "attention", …
  fitness verdict = fitness::fit;
  std::string value;  ///< what was found
  std::string advice; ///< how to fix it; empty when fit
  std::uint32_t ms = 0;
};

struct fitness_report {
  fitness verdict = fitness::fit; ///< the worst row
  std::vector<check_row> rows;
};

std::string_view to_string(fitness);

class machine_probe {
 public:
  virtual ~machine_probe() = default;
  /// Calls back once, from any thread, with the report for this engine kind. A check that crashes,
  /// hangs past its budget or prints garbage is itself a report: unfit, with the reason as a row.
  virtual void run(const std::string& engine, std::function<void(fitness_report)> done) = 0;
  /// Resident memory of this process; 0 where it is not known (simulation).
  virtual std::uint64_t resident_bytes() const { return 0; }
};

} // namespace tayfa
