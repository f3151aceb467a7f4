#include "runtime/host/descendants.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/base/unique_fd.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <poll.h>
#include <set>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds patience{2'000};
constexpr int look_again_ms = 2;

std::mutex home_mutex;
std::string home = "0.0";

/// True when orphans that no child of ours has made may be reparented to us: as PID 1 all orphans,
/// and otherwise those of programs that a shell had started before it became us by exec.
std::atomic<bool> strangers_come{true};

/// A process identified uniquely: its pid and its start time.
using known_process = std::pair<pid_t, std::uint64_t>;

bool lives(const known_process& known) {
  return start_time_of(known.first) == known.second;
}

/// Sends SIGKILL to all that still exist, and waits for their ends until the deadline. Returns the
/// number of signals sent.
std::size_t kill_all(const std::vector<known_process>& all, moment deadline) {
  std::size_t killed = 0;
  for (const auto& known : all) {
    // The pidfd is opened first, so that the process compared and the process killed are the same.
    const unique_fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, known.first, 0))};
    if (pidfd && lives(known)) {
      killed += ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) == 0 ? 1 : 0;
    }
  }
  const system_time time;
  while (time.now() < deadline && std::any_of(all.begin(), all.end(), lives)) {
    ::poll(nullptr, 0, look_again_ms);
  }
  return killed;
}

void add_with_descendants(pid_t pid, std::set<pid_t>& into) {
  if (!into.insert(pid).second) {
    return;
  }
  for (const auto child : children_of(pid)) {
    add_with_descendants(child, into);
  }
}

/// True when this child left the orphan behind.
bool was_left_by(pid_t orphan, const process_facts& facts, pid_t child, const std::string& mark) {
  if (facts.session == child || facts.group == child) {
    return true;
  }
  const auto said = environment_of(orphan, child_mark_variable);
  if (!said.empty() && read_mark(said).owner == ::getpid()) {
    return said == mark;
  }
  // The orphan has shed its group, session and mark.
  const auto began = facts_of(child);
  return !strangers_come && began && facts.start >= began->start &&
         !own_children::list().any_older(facts.start, child);
}

template <class T>
bool read_number(std::string_view& text, T& out, char behind) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc{} || end == text.data() + text.size() || *end != behind) {
    return false;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

} // namespace

std::string home_of(const std::string& folder) {
  struct stat about {};
  if (::stat(folder.c_str(), &about) != 0) {
    return "0.0";
  }
  return std::to_string(about.st_dev) + "." + std::to_string(about.st_ino);
}

void mark_home(const std::string& folder) {
  auto found = home_of(folder);
  const std::lock_guard guard{home_mutex};
  home = std::move(found);
}

std::string own_mark() {
  const auto start = start_time_of(::getpid()).value_or(0);
  const std::lock_guard guard{home_mutex};
  return std::to_string(::getpid()) + "." + std::to_string(start) + "." + home + "/";
}

child_mark read_mark(const std::string& text) {
  child_mark out;
  std::string_view rest{text};
  pid_t owner = 0;
  if (!read_number(rest, owner, '.') || !read_number(rest, out.owner_start, '.')) {
    return {};
  }
  const auto end = rest.find('/');
  if (end == std::string_view::npos || owner <= 0) {
    return {};
  }
  out.owner = owner;
  out.home = rest.substr(0, end);
  return out;
}

own_children& own_children::list() {
  static own_children children;
  return children;
}

void own_children::add(pid_t pid) {
  const auto start = start_time_of(pid).value_or(0);
  const std::lock_guard guard{mutex_};
  started_[pid] = start;
}

void own_children::remove(pid_t pid) {
  const std::lock_guard guard{mutex_};
  started_.erase(pid);
}

bool own_children::has(pid_t pid) const {
  const std::lock_guard guard{mutex_};
  return started_.contains(pid);
}

bool own_children::any_older(std::uint64_t start, pid_t but) const {
  const std::lock_guard guard{mutex_};
  return std::any_of(started_.begin(), started_.end(), [&](const auto& child) {
    return child.first != but && child.second <= start;
  });
}

void adopt_orphans() {
  static std::once_flag once;
  std::call_once(once, [] {
    strangers_come = ::getpid() == 1 || !children_of(::getpid()).empty();
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  });
}

void reap_strangers() {
  const std::lock_guard guard{own_children::list().starting()};
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
      return;
    }
    // Other ended processes may be queued behind a child of our own: its reaper calls this again.
    if (own_children::list().has(info.si_pid)) {
      return;
    }
    ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
  }
}

namespace {

/// Orphans that this child left behind, with all their descendants.
std::vector<known_process> left_by(pid_t child, const std::string& mark) {
  std::set<pid_t> left;
  {
    // A child that is being started is not registered yet, and has no mark.
    const std::lock_guard guard{own_children::list().starting()};
    for (const auto orphan : children_of(::getpid())) {
      const auto facts = facts_of(orphan);
      if (facts && !facts->ended() && !own_children::list().has(orphan) &&
          was_left_by(orphan, *facts, child, mark)) {
        add_with_descendants(orphan, left); // before any is killed: killing reparents its children
      }
    }
  }
  std::vector<known_process> out;
  for (const auto pid : left) {
    if (const auto start = start_time_of(pid)) {
      out.emplace_back(pid, *start);
    }
  }
  return out;
}

} // namespace

std::size_t kill_left_behind(pid_t child, const std::string& mark) {
  const system_time time;
  const auto deadline = time.now() + patience;
  std::size_t killed = 0;
  for (;;) {
    const auto now = kill_all(left_by(child, mark), deadline);
    killed += now;
    if (now == 0 || time.now() >= deadline) {
      return killed;
    }
  }
}

std::size_t kill_wherever(const std::function<bool(pid_t, const process_facts&)>& judge) {
  const system_time time;
  const auto deadline = time.now() + patience;
  std::size_t killed = 0;
  for (;;) {
    std::vector<known_process> doomed;
    for (const auto pid : all_processes()) {
      const auto facts = facts_of(pid); // before `judge`, because kill_all compares with it
      if (facts && !facts->ended() && pid != ::getpid() && judge(pid, *facts)) {
        doomed.emplace_back(pid, facts->start);
      }
    }
    const auto now = kill_all(doomed, deadline);
    killed += now;
    if (now == 0 || time.now() >= deadline) {
      return killed;
    }
  }
}

} // namespace tayfa
