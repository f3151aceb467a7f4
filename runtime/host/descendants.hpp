// The processes below ours that we did not start ourselves: children of engines, and their
// children.
//
// They belong to the engine that they come from, and end with it, also when they have a process
// group or a session of their own. Four things find them: their group, while the engine has not
// been reaped; this process being their subreaper, so that those whose parents have ended come to
// us; a mark in their environment (TAYFA_CHILD_OF), which says which child of which runtime they
// come from; and their session. One that has given up all of these is found as an orphan of ours
// that no other living child can have started; when we are PID 1 such a one may come from outside
// (docker exec), and is only reaped.
//
// own_children is the one list of children that this process started itself. Whoever is not on it
// is nobody's to wait for, and is reaped here, which PID 1 has to do for everybody.
#pragma once

#include "runtime/host/process_facts.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <sys/types.h>

namespace tayfa {

inline constexpr const char* child_mark_variable = "TAYFA_CHILD_OF";

/// Whom a mark names: "<pid>.<start>.<device>.<inode>/<number>".
struct child_mark {
  pid_t owner = 0;
  std::uint64_t owner_start = 0;
  std::string home; ///< "<device>.<inode>" of the owner's run folder, or "0.0"
};

/// What the marks of this process's children begin with; up to the number, and with the slash.
std::string own_mark();
/// From now on marks name this folder, so that the next runtime that uses it finds what was left.
void mark_home(const std::string& folder);
/// "<device>.<inode>"; "0.0" when there is no such folder.
std::string home_of(const std::string& folder);
/// Nothing is set (owner 0) when the text is no mark.
child_mark read_mark(const std::string& text);

/// The children that this process has started and not yet waited for.
class own_children {
 public:
  static own_children& list();

  /// Held while a child is being started, so that it cannot be taken for a stranger before it is
  /// on the list; and while strangers are reaped.
  std::mutex& starting() { return starting_; }
  void add(pid_t);    ///< with starting() held
  void remove(pid_t); ///< after it was reaped
  bool has(pid_t) const;
  /// True when some child but `but` began no later than `start`.
  bool any_older(std::uint64_t start, pid_t but) const;

 private:
  std::mutex starting_;
  mutable std::mutex mutex_;
  std::map<pid_t, std::uint64_t> started_;
};

/// Orphans below us come to us from here on, not to PID 1. Before the first child is started.
void adopt_orphans();

/// Waits for every ended child that is not on the list. Never blocks.
void reap_strangers();

/// SIGKILL to everything that a child of ours, which has ended and is not yet reaped, has left
/// behind. Returns when it is gone, or after two seconds. The number of processes that were killed.
std::size_t kill_left_behind(pid_t child, const std::string& mark);

/// SIGKILL to every process of this machine that `judge` accepts, until none is left or two seconds
/// are over.
std::size_t kill_wherever(const std::function<bool(pid_t, const process_facts&)>& judge);

} // namespace tayfa
