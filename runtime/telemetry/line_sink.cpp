#include "runtime/telemetry/line_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds patience{100};

bool wait_writable(int descriptor, std::chrono::milliseconds left) {
  pollfd p{descriptor, POLLOUT, 0};
  const int ready = ::poll(&p, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  // POLLERR: a pipe whose reader is gone. Not writing to it spares the SIGPIPE.
  return ready > 0 && (p.revents & POLLOUT) != 0 && (p.revents & (POLLERR | POLLNVAL)) == 0;
}

/// A writable pipe has room for PIPE_BUF bytes at least, so a write of that size does not block; a
/// file takes a line at once.
std::size_t write_max(int descriptor) {
  struct stat about {};
  const bool file = ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
  return file ? std::numeric_limits<std::size_t>::max() : PIPE_BUF;
}

} // namespace

result<std::shared_ptr<line_sink>> line_sink::to_standard_error(log_format format) {
  return std::make_shared<line_sink>(STDERR_FILENO, false, format);
}

result<std::shared_ptr<line_sink>> line_sink::to_file(const std::string& path, log_format format) {
  // O_NONBLOCK: opening a named pipe without a reader fails instead of waiting for one.
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (descriptor < 0) {
    return fail(errc::io_error, "cannot open the log file " + path + ": " +
                                    std::error_code{errno, std::generic_category()}.message());
  }
  return std::make_shared<line_sink>(descriptor, true, format);
}

line_sink::line_sink(int descriptor, bool owned, log_format format)
    : descriptor_(descriptor), owned_(owned), format_(format), write_max_(write_max(descriptor)) {}

line_sink::~line_sink() {
  if (owned_) {
    ::close(descriptor_);
  }
}

void line_sink::sink_it_(const spdlog::details::log_msg& message) {
  buffer_.clear();
  if (torn_) {
    buffer_ += '\n';
  }
  if (dropped_ > 0) {
    const log_field fields[] = {{"count", dropped_}};
    buffer_ += format_line(format_, {time_.wall(), log_level::warn, "log_lines_dropped", fields});
    buffer_ += '\n';
  }
  buffer_.append(message.payload.data(), message.payload.size());
  buffer_ += '\n';
  if (write_line(buffer_)) {
    dropped_ = 0;
  } else {
    ++dropped_;
  }
}

bool line_sink::write_line(std::string_view line) {
  const moment deadline = time_.now() + patience;
  bool begun = false;
  while (!line.empty()) {
    // After drops nobody is likely to read: ask once instead of waiting again for every line.
    const auto left = dropped_ > 0 && !begun
                          ? std::chrono::milliseconds{0}
                          : std::chrono::ceil<std::chrono::milliseconds>(deadline - time_.now());
    if (!wait_writable(descriptor_, left)) {
      break;
    }
    const ssize_t written = ::write(descriptor_, line.data(), std::min(line.size(), write_max_));
    if (written < 0 && (errno == EINTR || errno == EAGAIN) && time_.now() < deadline) {
      continue;
    }
    if (written <= 0) {
      break;
    }
    begun = true;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
  if (begun) {
    torn_ = !line.empty();
  }
  return line.empty();
}

} // namespace tayfa
