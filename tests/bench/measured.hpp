// A cycle benchmark's result: one line of JSON in the same format for every program here, so that
// scripts parse them alike.
#pragma once

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace tayfa::bench {

/// A warm-up ends after this many cycles of each client, or after this time: a slow disk must not
/// make it longer than the measurement.
inline constexpr unsigned warm_up_cycles = 20;
inline constexpr double warm_up_seconds = 0.25;

struct measured {
  std::vector<double> cycles; ///< of every client, in seconds, in any order
  double seconds = 0;         ///< duration of the whole measurement
  double cpu_seconds = 0;     ///< of this process in that time; 0 = not reported
  double flushes = 0;         ///< transactions in that time; 0 = not reported
};

inline double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) {
    return 0;
  }
  const auto at = static_cast<std::size_t>(static_cast<double>(sorted.size()) * share);
  return sorted[std::min(at, sorted.size() - 1)];
}

inline double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

inline void print(unsigned clients, measured m) {
  std::sort(m.cycles.begin(), m.cycles.end());
  const auto count = static_cast<double>(m.cycles.size());
  std::printf("{\"clients\": %u, \"cycles\": %zu, \"seconds\": %.3f, \"cycles_per_second\": %.1f, "
              "\"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f",
              clients, m.cycles.size(), m.seconds, count / m.seconds,
              percentile(m.cycles, 0.5) * 1e3, percentile(m.cycles, 0.9) * 1e3,
              percentile(m.cycles, 0.99) * 1e3);
  if (m.cpu_seconds > 0 && count > 0) {
    std::printf(", \"cpu_us\": %.2f", m.cpu_seconds / count * 1e6);
  }
  if (m.flushes > 0) {
    std::printf(", \"flushes_per_second\": %.1f", m.flushes / m.seconds);
  }
  std::printf("}\n");
}

} // namespace tayfa::bench
