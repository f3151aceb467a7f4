// Starting a child process and learning of its end: the one way in which Tayfa makes processes.
//
// A child gets: /dev/null as stdin, pipes as stdout and stderr, nothing else open, its own process
// group, no blocked signals and default handlers. Its end is read from a pidfd, so no pid is ever
// signalled after it may belong to somebody else.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace tayfa {

/// A file descriptor that is closed with its owner; -1 = none.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& o) noexcept {
    reset(std::exchange(o.fd_, -1));
    return *this;
  }
  ~unique_fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct spawn_request {
  std::vector<std::string> arguments{}; ///< the first one is the program's path
  std::vector<std::pair<std::string, std::string>> environment{}; ///< added to our own
  bool split_stderr = false; ///< stderr gets its own pipe; otherwise both go into `output`
};

struct child_process {
  pid_t pid = 0;
  unique_fd pidfd;  ///< readable when the process has ended
  unique_fd output; ///< non-blocking
  unique_fd errors; ///< non-blocking; only with split_stderr
};

struct child_end {
  int code = 0;
  int signal = 0;
  std::string text; ///< "exit 0", "signal 9 (Killed)"
};

/// errc::engine_start with the reason.
result<child_process> spawn(const spawn_request&);

/// Signals the child's whole process group. The child must not have been reaped.
void signal_group(const child_process&, int signal);

/// For a child whose pidfd is readable: kills what is left of its process group, then reaps it.
child_end reap(const child_process&);

/// An eventfd, for waking a poll; wake_up() and settle_down() never block.
unique_fd make_wakeup();
void wake_up(const unique_fd&);
void settle_down(const unique_fd&);

} // namespace tayfa
