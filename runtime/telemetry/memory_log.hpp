// A log that keeps its lines: for simulation and tests. With an injected clock the same run gives
// the same bytes.
//
// Owner: whoever simulates. Thread safe, though a simulation has one thread. Bounded: the oldest
// lines go first.
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
  /// Every line with its newline.
  std::string text() const;
  /// How many of the kept lines contain `part`.
  std::size_t count(std::string_view part) const;
  /// Lines that are gone because of lines_max or because memory was short.
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
