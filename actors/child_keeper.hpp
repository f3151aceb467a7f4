// Carries out a supervision group's commands for the actor that owns it: spawns, watches, stops and
// kills children.
//
// Not an actor: a part of its owner (supervisor), used on the owner's thread only. All decisions
// are in runtime/core/supervision; this is the hand that moves handles, timers and exit messages.
#pragma once

#include "actors/common.hpp"
#include "runtime/core/supervision.hpp"

#include <functional>
#include <map>
#include <vector>

namespace tayfa {

class child_keeper {
 public:
  struct hooks {
    std::function<caf::strong_actor_ptr(std::size_t)> start; ///< spawns child i; null = could not
    std::function<void(std::chrono::milliseconds, std::uint64_t)>
        later;                     ///< then call timed(ticket)
    std::function<void()> started; ///< some child is new
    std::function<void(std::size_t, error)> gave_up;
    std::function<void()> all_stopped;
    /// Only where the policy has quarantines.
    std::function<void(std::size_t, error, std::chrono::milliseconds)> quarantined{};
  };
  /// How a child ended, from its exit reason.
  enum class end : std::uint8_t { normal, refresh, excused, excused_after_work, failed };
  using judge = std::function<end(const caf::error&)>;

  child_keeper(caf::local_actor* owner, pod_context, supervision::policy,
               std::vector<supervision::child_spec>, hooks, judge);

  void start();
  void stop();
  /// Kills every child that still lives; all_stopped follows.
  void kill_all();
  /// True when the message was about a child of this keeper.
  bool down(const caf::down_msg&);
  void timed(std::uint64_t ticket);
  /// Ends one child as failed, by force (it is stuck); the policy decides what follows.
  void replace(const std::string& name);

 private:
  void execute(supervision::commands);
  void execute_one(const supervision::start_child&);
  void execute_one(const supervision::start_later&);
  void execute_one(const supervision::stop_child&);
  void execute_one(const supervision::gave_up&);
  void execute_one(const supervision::quarantined&);
  void execute_one(const supervision::all_stopped&);
  void kill(const caf::strong_actor_ptr&);
  moment now() const { return ctx_.outside.time.now(); }

  struct alarm {
    std::size_t index = 0;
    std::uint64_t order_ticket = 0;
    caf::strong_actor_ptr victim; ///< set = kill it when the alarm rings
  };

  caf::local_actor* owner_;
  pod_context ctx_;
  supervision::group group_;
  hooks hooks_;
  judge judge_;
  std::vector<caf::strong_actor_ptr> children_;
  std::map<std::uint64_t, alarm> alarms_;
  std::uint64_t next_alarm_ = 0;
  bool fresh_ = false;
};

} // namespace tayfa
