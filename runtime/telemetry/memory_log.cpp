#include "runtime/telemetry/memory_log.hpp"

#include <algorithm>

namespace tayfa {

memory_log::memory_log(const time_source& time, options o) : time_(time), options_(o) {}

bool memory_log::enabled(log_level level) const {
  return level >= options_.level;
}

void memory_log::write(log_level level, std::string_view event, std::span<const log_field> fields) {
  if (!enabled(level)) {
    return;
  }
  const std::lock_guard guard{mutex_};
  try {
    lines_.push_back(format_line(options_.format, {time_.wall(), level, event, fields}));
    if (lines_.size() > options_.lines_max) {
      lines_.pop_front();
      ++dropped_;
    }
  } catch (const std::exception&) {
    ++dropped_;
  }
}

std::vector<std::string> memory_log::lines() const {
  const std::lock_guard guard{mutex_};
  return {lines_.begin(), lines_.end()};
}

std::string memory_log::text() const {
  const std::lock_guard guard{mutex_};
  std::string out;
  for (const auto& line : lines_) {
    out += line;
    out += '\n';
  }
  return out;
}

std::size_t memory_log::count(std::string_view part) const {
  const std::lock_guard guard{mutex_};
  return static_cast<std::size_t>(
      std::count_if(lines_.begin(), lines_.end(), [part](const std::string& line) {
        return line.find(part) != std::string::npos;
      }));
}

std::uint64_t memory_log::dropped() const {
  const std::lock_guard guard{mutex_};
  return dropped_;
}

void memory_log::clear() {
  const std::lock_guard guard{mutex_};
  lines_.clear();
  dropped_ = 0;
}

} // namespace tayfa
