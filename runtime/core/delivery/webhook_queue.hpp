// Which webhook is called next, so that tenants share what calls there may be at the same time.
//
// Owner: the job table. Pure: no clock (time is an argument), no sockets. A webhook waits under its
// job's order; a call that has begun is known by a number of its own, because its job may be
// forgotten, or live again, before the call ends.
//
// Rules:
//   * tenants take turns: the one with the fewest calls under way is next, then the one whose calls
//     took the fewest seconds since it began to wait, then the one whose last call began first, or
//     who came first. So what hangs waits for itself, also when there are more such tenants than
//     places. Within a tenant its targets take turns, within a target the oldest is next;
//   * a tenant begins a call only while it has fewer under way than there are places left, so
//     that one tenant alone fills half of the places, two of them three quarters, and a tenant
//     that comes finds a place at once, whatever the others call and however long that takes;
//   * the same holds at each target, so that a target that hangs for one tenant can be called by
//     another, and takes no more than its share of the places; and for the bytes of the bodies that
//     are under way, except that one call may always begin when there is none.
//
// Invariant: whatever could begin is what next() gives. A step costs no more than the number of
// tenants that have something waiting or under way.
#pragma once

#include "runtime/base/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa {

class webhook_queue {
 public:
  struct bounds {
    std::size_t calls_max = 64;                     ///< at the same time
    std::size_t target_max = 16;                    ///< of them to one target
    std::size_t bytes_max = std::size_t{256} << 20; ///< of their bodies
  };
  struct turn {
    std::uint64_t order = 0; ///< of the job
    std::uint64_t call = 0;  ///< never used twice
  };

  explicit webhook_queue(bounds b) : bounds_(b) {}

  /// Only one that does not wait. `target`: host and port; `bytes`: of the body.
  void wait(std::uint64_t order, const std::string& tenant, const std::string& target,
            std::size_t bytes = 0);
  /// Removes the job from the waiting ones; ignores a job that does not wait.
  void leave(std::uint64_t order);
  bool waits(std::uint64_t order) const { return waiting_.contains(order); }
  /// The next that may begin; it is under way until ended() or unmade().
  std::optional<turn> next(moment now);
  /// An unknown call is ignored.
  void ended(std::uint64_t call, moment now);
  /// The call was never made: its tenant is charged nothing.
  void unmade(std::uint64_t call);
  /// The outcomes of the running calls will never be known: forgets them.
  void forget_calls();

  std::size_t waiting() const { return waiting_.size(); }
  std::size_t running() const { return running_.size(); }
  std::vector<std::string> audit() const; ///< breaks of the rules, in words

 private:
  struct waiting_call {
    std::uint64_t order = 0;
    std::size_t bytes = 0;
  };
  struct running_call {
    std::string tenant, target;
    std::size_t bytes = 0;
    moment began;
  };
  struct tenant {
    std::map<std::string, std::map<std::uint64_t, waiting_call>> lists; ///< by target and age
    std::vector<std::string> targets; ///< those with a list, in turn
    std::size_t running = 0;
    std::size_t bytes = 0;        ///< of those that run
    std::chrono::seconds used{0}; ///< by its calls that have ended
    moment::duration rest{0};     ///< of it, less than a second
    std::uint64_t turn = 0;
    bool ready = false; ///< it is in ready_: one of its targets may have room
  };
  using tenants = std::map<std::string, tenant>;
  using tenant_entry = tenants::iterator;
  struct place {
    tenant_entry of;
    std::string target;
    std::uint64_t age = 0;
  };
  struct target_calls {
    std::size_t all = 0;
    std::map<std::string, std::size_t> of_tenant;
  };

  void make_ready(tenant_entry, bool);
  bool has_room(const std::string& name, const tenant&, const std::string& target) const;
  bool target_has_room(const std::string& tenant, const std::string& target) const;
  std::optional<turn> begin(tenant_entry, std::size_t target, moment now);
  void end(std::uint64_t call, std::optional<moment> now);
  void take_out(tenant_entry, const std::string& target, std::uint64_t age);
  void forget_idle(tenant_entry);

  bounds bounds_;
  tenants tenants_; ///< those with something waiting or under way
  /// Calls under way, seconds used, turn, name.
  using rank = std::tuple<std::size_t, std::chrono::seconds, std::uint64_t, std::string>;
  static rank rank_of(const std::string& name, const tenant& t) {
    return {t.running, t.used, t.turn, name};
  }
  std::set<rank> ready_;
  std::unordered_map<std::string, target_calls> targets_; ///< those with something under way
  std::unordered_map<std::uint64_t, place> waiting_;
  std::map<std::uint64_t, running_call> running_; ///< by the call's number
  std::size_t bytes_ = 0;                         ///< of those that run
  std::uint64_t ages_ = 0;
  std::uint64_t turns_ = 0;
  std::uint64_t calls_ = 0;
};

/// Host and port of a URL, for telling targets apart. What is no URL is a target of its own.
std::string hook_target(const std::string& url);

} // namespace tayfa
