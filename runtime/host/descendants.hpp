// Finds and ends indirect descendants: children of engines, and their children.
//
// They belong to their engine and end with it, even with a process group or session of their own.
// Four things identify them: their group, until the engine is reaped; this process being their
// subreaper, so that orphans are reparented to us; a mark in their environment (TAYFA_CHILD_OF),
// which names the child and the runtime that they come from; and their session. A process that has
// shed all of these is recognized as an orphan of ours that no other living child can have started;
// when we are PID 1 such an orphan may come from outside (docker exec), and is only reaped.
//
// own_children is the one registry of children that this process started itself. Ended processes
// outside of it have no other parent to wait for them and are reaped here, as PID 1 must.
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

/// The content of a mark: "<pid>.<start>.<device>.<inode>/<number>".
struct child_mark {
  pid_t owner = 0;
  std::uint64_t owner_start = 0;
  std::string home; ///< "<device>.<inode>" of the owner's run folder, or "0.0"
};

/// The common prefix of all marks of this process's children, up to and including the slash.
std::string own_mark();
/// From now on marks name this folder, so that the next runtime that uses it finds leftover
/// processes.
void mark_home(const std::string& folder);
/// "<device>.<inode>"; "0.0" when the folder does not exist.
std::string home_of(const std::string& folder);
/// Returns owner 0 and nothing else when the text is no mark.
child_mark read_mark(const std::string& text);

/// The children that this process has started and not yet reaped.
class own_children {
 public:
  static own_children& list();

  /// Held while a child is started, so that it is not taken for a stranger before it is registered;
  /// and while strangers are reaped.
  std::mutex& starting() { return starting_; }
  void add(pid_t);    ///< with starting() held
  void remove(pid_t); ///< after it was reaped
  bool has(pid_t) const;
  /// True when a child other than `but` began no later than `start`.
  bool any_older(std::uint64_t start, pid_t but) const;

 private:
  std::mutex starting_;
  mutable std::mutex mutex_;
  std::map<pid_t, std::uint64_t> started_;
};

/// From now on orphans among our descendants are reparented to us, not to PID 1. To be called
/// before the first child is started.
void adopt_orphans();

/// Reaps every ended child that is not registered. Never blocks.
void reap_strangers();

/// Sends SIGKILL to everything left behind by a child of ours that has ended and is not yet reaped.
/// Returns when all are gone, or after two seconds, with the number of killed processes.
std::size_t kill_left_behind(pid_t child, const std::string& mark);

/// Sends SIGKILL to every process of this machine that `judge` accepts, until none is left or two
/// seconds have passed.
std::size_t kill_wherever(const std::function<bool(pid_t, const process_facts&)>& judge);

} // namespace tayfa
