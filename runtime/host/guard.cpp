#include "runtime/host/guard.hpp"

#include "runtime/host/descendants.hpp"
#include "runtime/host/process_facts.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace tayfa {

namespace {

constexpr int farewell_ms = 2'000;

struct message {
  enum class kind : std::int32_t { started, ended, farewell };
  kind what = kind::farewell;
  pid_t pid = 0;
};

std::atomic<int> link{-1}; ///< the guard's socket, for guard_link

void send(int socket, message m) {
  // Never blocks: if the guard does not read, leftovers are still found by their marks.
  (void)!::send(socket, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void kill_rest(const child_mark& runtime, const std::map<pid_t, std::uint64_t>& children) {
  const auto of_a_child = [&](pid_t leader, const process_facts& facts) {
    const auto found = children.find(leader);
    if (found == children.end() || facts.start < found->second) {
      return false;
    }
    // A living group keeps its id from being reused: a later process with this pid means that the
    // group is gone.
    const auto now = facts_of(leader);
    return !now || now->start == found->second;
  };
  kill_wherever([&](pid_t pid, const process_facts& facts) {
    if (of_a_child(facts.session, facts) || of_a_child(facts.group, facts)) {
      return true;
    }
    const auto mark = read_mark(environment_of(pid, child_mark_variable));
    return mark.owner == runtime.owner && mark.owner_start == runtime.owner_start;
  });
}

/// The guard's main loop.
[[noreturn]] void watch(int socket, const child_mark& runtime) {
  std::map<pid_t, std::uint64_t> children;
  for (;;) {
    message m;
    const auto got = ::recv(socket, &m, sizeof m, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got != static_cast<ssize_t>(sizeof m)) {
      kill_rest(runtime, children);
      ::_exit(0);
    }
    switch (m.what) {
    case message::kind::started:
      if (const auto facts = facts_of(m.pid)) {
        children[m.pid] = facts->start;
      }
      break;
    case message::kind::ended: children.erase(m.pid); break;
    case message::kind::farewell: ::_exit(0);
    }
  }
}

/// Runs in the fork: leaves the runtime's terminal, working folder and all its descriptors. Signals
/// are blocked since before the fork.
void detach(int socket) {
  ::setsid();
  (void)!::chdir("/");
  ::prctl(PR_SET_NAME, "tayfa-guard");
  const auto first = static_cast<unsigned>(socket);
  ::close_range(0, first - 1, 0);
  ::close_range(first + 1, ~0U, 0);
  for (int i = 0; i < 3; ++i) {
    (void)!::open("/dev/null", O_RDWR);
  }
}

} // namespace

result<guard> guard::start() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(errc::unavailable, std::string{"socketpair: "} + std::strerror(errno));
  }
  unique_fd ours{ends[0]};
  const unique_fd its{::fcntl(ends[1], F_DUPFD_CLOEXEC, 3)}; // above stdio, which it closes
  ::close(ends[1]);
  const auto runtime = read_mark(own_mark());
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before); // stays blocked in the guard
  const pid_t middle = ::fork();
  if (middle == 0) {
    // The intermediate process exits at once, so that init becomes the guard's parent and the guard
    // is not among the runtime's children.
    const pid_t last = ::fork();
    if (last != 0) {
      ::_exit(last > 0 ? 0 : errno);
    }
    detach(its.get());
    watch(its.get(), runtime);
  }
  const int failed = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (middle < 0) {
    return fail(errc::unavailable, std::string{"fork: "} + std::strerror(failed));
  }
  int status = 0;
  ::waitpid(middle, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(errc::unavailable, std::string{"fork: "} + std::strerror(WEXITSTATUS(status)));
  }
  link = ours.get();
  return guard{std::move(ours)};
}

guard::~guard() {
  if (!socket_) {
    return;
  }
  link = -1;
  send(socket_.get(), {});
  ::shutdown(socket_.get(), SHUT_WR);
  pollfd gone{socket_.get(), 0, 0}; // POLLHUP: the guard's end is closed, so it is exiting
  ::poll(&gone, 1, farewell_ms);
}

namespace guard_link {

void report_started(pid_t pid) {
  if (const int socket = link; socket >= 0) {
    send(socket, {message::kind::started, pid});
  }
}

void report_ended(pid_t pid) {
  if (const int socket = link; socket >= 0) {
    send(socket, {message::kind::ended, pid});
  }
}

} // namespace guard_link

} // namespace tayfa
