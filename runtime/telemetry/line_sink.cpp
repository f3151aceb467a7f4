#include "runtime/telemetry/line_sink.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds patience{100};
constexpr std::chrono::seconds look_every{1};

std::atomic<std::uint64_t> reopen_requests{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free); // for signal handlers

// O_NONBLOCK: opening a named pipe without a reader fails instead of waiting for one.
constexpr int open_flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

bool wait_writable(int descriptor, std::chrono::milliseconds left) {
  pollfd p{descriptor, POLLOUT, 0};
  const int ready = ::poll(&p, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  // POLLERR: the pipe's reader is gone. Writing would raise SIGPIPE.
  return ready > 0 && (p.revents & POLLOUT) != 0 && (p.revents & (POLLERR | POLLNVAL)) == 0;
}

/// A writable pipe has room for at least PIPE_BUF bytes, so a write of that size does not block; a
/// file accepts a whole line.
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
  const int descriptor = ::open(path.c_str(), open_flags, 0640);
  if (descriptor < 0) {
    return fail(errc::io_error, "cannot open the log file " + path + ": " +
                                    std::error_code{errno, std::generic_category()}.message());
  }
  return std::make_shared<line_sink>(descriptor, true, format, path);
}

void reopen_log_files() {
  ++reopen_requests;
}

line_sink::line_sink(int descriptor, bool owned, log_format format, std::string path)
    : descriptor_(descriptor), owned_(owned), format_(format), path_(std::move(path)),
      write_max_(write_max(descriptor)), requests_(reopen_requests) {
  looked_ = time_.now();
}

line_sink::~line_sink() {
  if (owned_) {
    ::close(descriptor_);
  }
}

/// Reopens the file when its name refers to another file or to none.
void line_sink::follow_name() {
  const auto now = time_.now();
  const auto requests = reopen_requests.load();
  if (path_.empty() || (requests == requests_ && now - looked_ < look_every)) {
    return;
  }
  requests_ = requests;
  looked_ = now;
  struct stat ours {};
  struct stat named {};
  if (::fstat(descriptor_, &ours) != 0 || !S_ISREG(ours.st_mode)) {
    return;
  }
  if (::stat(path_.c_str(), &named) == 0 && named.st_dev == ours.st_dev &&
      named.st_ino == ours.st_ino) {
    return;
  }
  const int fresh = ::open(path_.c_str(), open_flags | O_EXCL, ours.st_mode & 0777);
  const bool made = fresh >= 0;
  const int descriptor = made ? fresh : ::open(path_.c_str(), open_flags & ~O_CREAT);
  if (descriptor < 0) {
    return; // keep writing to the old file
  }
  if (made) {
    ::fchmod(descriptor, ours.st_mode & 0777); // independent of the current umask
  }
  ::close(descriptor_);
  descriptor_ = descriptor;
  write_max_ = write_max(descriptor);
  torn_ = false;
}

void line_sink::sink_it_(const spdlog::details::log_msg& message) {
  follow_name();
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
    // After a drop the reader is probably gone: poll once instead of waiting again for every line.
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
