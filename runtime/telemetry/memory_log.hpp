// A log in memory, for simulation and tests. With an injected clock the same run gives the same
// bytes.
//
// Owner: the simulation or test. Thread safe, though a simulation has one thread. Bounded: the
// oldest lines are dropped first.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/telemetry/log.hpp"

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

class memory_log final : public event_log {
 public:
  struct options {
    log_level level = log_level::debug;
    log_format format = log_format::text;
    std::size_t lines_max = 1'000'000;
  };

  /// `time` outlives the log; its wall() dates the lines.
  explicit memory_log(const time_source& time) : memory_log(time, options{}) {}
  memory_log(const time_source& time, options o);

  bool enabled(log_level) const override;
  void write(log_level, std::string_view event, std::span<const log_field>) override;

  std::vector<std::string> lines() const;
  /// All lines, each with its newline.
  std::string text() const;
  /// Number of kept lines that contain `part`.
  std::size_t count(std::string_view part) const;
  /// Number of lines lost to lines_max or to lack of memory.
  std::uint64_t dropped() const;
  void clear();

 private:
  const time_source& time_;
  const options options_;
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  std::uint64_t dropped_ = 0;
};

} // namespace tayfa
