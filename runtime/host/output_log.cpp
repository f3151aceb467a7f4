#include "runtime/host/output_log.hpp"

#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <unistd.h>

namespace tayfa {

void output_log::feed(std::string_view bytes, moment now) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    const auto room = line_bytes_max - std::min(line_bytes_max, line_.size());
    line_.append(part.substr(0, room));
    if (end == std::string_view::npos) {
      return;
    }
    end_line(now);
    bytes.remove_prefix(end + 1);
  }
}

void output_log::end_line(moment now) {
  if (!line_.empty() && line_.back() == '\r') {
    line_.pop_back();
  }
  if (!text::is_utf8(line_)) {
    std::replace_if(
        line_.begin(), line_.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
        '?');
  }
  auto line = std::exchange(line_, {});
  if (line.empty()) {
    return;
  }
  const std::chrono::duration<double> since = now - refilled_;
  allowance_ = std::min(lines_burst, allowance_ + since.count() * lines_per_second);
  refilled_ = now;
  if (allowance_ >= 1) {
    allowance_ -= 1;
    log_skipped();
    write(line);
    return;
  }
  ++skipped_;
  last_.push_back(std::move(line));
  if (last_.size() > last_lines_kept) {
    last_.pop_front();
  }
}

void output_log::write(std::string_view line) {
  log_.info("engine_output", {{"worker", worker_}, {"pid", pid_}, {"line", line}});
}

void output_log::log_skipped() {
  if (skipped_ > last_.size()) {
    log_.warn("engine_output_skipped",
              {{"worker", worker_}, {"pid", pid_}, {"lines", skipped_ - last_.size()}});
  }
  for (const auto& line : last_) {
    write(line);
  }
  last_.clear();
  skipped_ = 0;
}

void output_log::finish() {
  allowance_ = 0;
  if (!line_.empty()) {
    end_line(refilled_);
  }
  log_skipped();
}

bool output_log::read_from(int fd, std::size_t bytes_max, moment now) {
  std::array<char, 16384> buffer;
  for (std::size_t total = 0; total < bytes_max;) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      feed({buffer.data(), static_cast<std::size_t>(got)}, now);
      total += static_cast<std::size_t>(got);
    } else if (got == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
  return true;
}

} // namespace tayfa
