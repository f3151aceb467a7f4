#include "runtime/host/spawn.hpp"

#include "runtime/host/child_environment.hpp"
#include "runtime/host/descendants.hpp"
#include "runtime/host/guard.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char** environ;

namespace tayfa {

namespace {

// P_PIDFD of <linux/wait.h>; Debian 12's glibc defines it, older ones do not.
constexpr auto by_pidfd = static_cast<idtype_t>(3);

/// unavailable for a shortage that may pass soon.
errc code_of(int number) {
  const bool passing = number == EAGAIN || number == EMFILE || number == ENFILE || number == ENOMEM;
  return passing ? errc::unavailable : errc::engine_start;
}

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

/// A descriptor above 2, so that the child's own stdin, stdout and stderr cannot collide with it.
unique_fd above_stdio(int fd) {
  if (fd > 2) {
    return unique_fd{fd};
  }
  unique_fd low{fd};
  return unique_fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
}

result<pipe_ends> make_pipe() {
  int fds[2] = {-1, -1};
  if (::pipe2(fds, O_CLOEXEC) != 0) {
    return fail(code_of(errno), std::string{"pipe: "} + std::strerror(errno));
  }
  pipe_ends ends{above_stdio(fds[0]), above_stdio(fds[1])};
  if (!ends.read || !ends.write || ::fcntl(ends.read.get(), F_SETFL, O_NONBLOCK) != 0) {
    return fail(code_of(errno), std::string{"pipe: "} + std::strerror(errno));
  }
  return ends;
}

std::string next_mark() {
  static std::atomic<std::uint64_t> made{0};
  return own_mark() + std::to_string(++made);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

/// posix_spawn's two opaque arguments, always destroyed.
struct spawn_setup {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  spawn_setup() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  ~spawn_setup() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  spawn_setup(const spawn_setup&) = delete;
  spawn_setup& operator=(const spawn_setup&) = delete;

  void prepare(int out, int err) {
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, out, 1);
    ::posix_spawn_file_actions_adddup2(&files, err, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
};

/// Reaps the process and unregisters it in one step, so that its pid is never registered while
/// reusable. 0, or errno.
int wait_and_forget(pid_t pid, idtype_t how, int which, siginfo_t& info) {
  int failed = 0;
  {
    auto& children = own_children::list();
    const std::lock_guard starting{children.starting()};
    failed = ::waitid(how, static_cast<id_t>(which), &info, WEXITED) == 0 ? 0 : errno;
    children.remove(pid);
  }
  guard_link::report_ended(pid);
  return failed;
}

} // namespace

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    out.emplace_back(*entry);
  }
  return out;
}

result<child_process> spawn(const spawn_request& request) {
  auto out = make_pipe();
  if (!out) {
    return fail(out.error());
  }
  pipe_ends err;
  if (request.split_stderr) {
    auto made = make_pipe();
    if (!made) {
      return fail(made.error());
    }
    err = std::move(*made);
  }
  auto arguments = request.arguments;
  child_process child;
  child.mark = next_mark();
  auto added = request.environment;
  added.emplace_back(child_mark_variable, child.mark);
  auto environment = child_environment(own_environment(), request.passed, added);
  spawn_setup setup;
  setup.prepare(out->write.get(), request.split_stderr ? err.write.get() : out->write.get());
  adopt_orphans();
  {
    auto& children = own_children::list();
    const std::lock_guard starting{children.starting()};
    const int failed =
        ::posix_spawn(&child.pid, arguments.front().c_str(), &setup.files, &setup.attributes,
                      pointers(arguments).data(), pointers(environment).data());
    if (failed != 0) {
      return fail(code_of(failed), arguments.front() + ": " + std::strerror(failed));
    }
    children.add(child.pid);
  }
  guard_link::report_started(child.pid);
  child.output = std::move(out->read);
  child.errors = std::move(err.read);
  child.pidfd = unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0))};
  if (!child.pidfd) {
    const int why = errno;
    ::kill(-child.pid, SIGKILL);
    siginfo_t ignored{};
    wait_and_forget(child.pid, P_PID, child.pid, ignored);
    return fail(code_of(why), std::string{"pidfd_open: "} + std::strerror(why) +
                                  (why == ENOSYS ? " (Linux 5.4 or newer is needed)" : ""));
  }
  return child;
}

void signal_group(const child_process& child, int signal) {
  ::kill(-child.pid, signal);
}

void end_descendants(const child_process& child) {
  // The dead leader still reserves the group's id, so this can only reach its own descendants.
  ::kill(-child.pid, SIGKILL);
  kill_left_behind(child.pid, child.mark);
}

child_end reap(const child_process& child) {
  ::kill(-child.pid, SIGKILL);
  siginfo_t info{};
  const int failed = wait_and_forget(child.pid, by_pidfd, child.pidfd.get(), info);
  reap_strangers(); // they may have been queued behind it
  child_end end;
  if (failed != 0) {
    end.text = std::string{"its end is unknown: "} + std::strerror(failed);
    return end;
  }
  if (info.si_code == CLD_EXITED) {
    end.code = info.si_status;
    end.text = "exit " + std::to_string(end.code);
  } else {
    end.signal = info.si_status;
    const char* name = ::sigdescr_np(end.signal);
    end.text =
        "signal " + std::to_string(end.signal) + " (" + (name == nullptr ? "unknown" : name) + ")";
  }
  return end;
}

} // namespace tayfa
