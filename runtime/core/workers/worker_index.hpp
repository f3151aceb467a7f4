// The workers of the pool, ordered so that a decision looks at none but the best of each kind.
//
// Workers that differ only in their load are one class for placement. Within a class those with
// room are ordered by what they hold, and those without by when they will have room, so that a
// decision costs O(classes + log workers).
//
// When a worker is free is an expectation that is put off as its run takes longer than expected.
// It never comes nearer while nothing ends (pool_worker::free_at), so a stored time is a lower
// bound, and it suffices to bring those up to date that are first (free_order::first).
//
// Owner: worker_pool, which calls update() after each change of a worker. Pure.
// Invariants (audit): a worker that counts is in one class, and in it exactly where its load says;
// the order does not depend on addresses, since no two workers have the same tick.
#pragma once

#include "runtime/base/clock.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tayfa {

struct pool_worker;

class worker_index {
 public:
  /// All that placement asks of a worker beside its load.
  struct class_key {
    std::string model; ///< that it has, or will have
    std::string device;
    std::string endpoint;
    std::vector<std::string> model_kinds;
    std::uint64_t memory_bytes = 0;
    bool can_change = false;
    bool pulls = false;
    bool side_by_side = false; ///< it takes several attempts that know nothing of each other
    std::uint32_t sharers = 0; ///< attempts that slow each other down, at most; 0 = they do not
    auto operator<=>(const class_key&) const = default;
  };
  struct load_key {
    moment at; ///< when it has room, at least; of one with room: nothing
    std::size_t held = 0;
    std::uint64_t since = 0;
    pool_worker* who = nullptr;
    bool operator<(const load_key& other) const {
      return std::tie(at, held, since) < std::tie(other.at, other.held, other.since);
    }
  };
  using order = std::set<load_key>;

  /// Workers without room, by when they have it.
  class free_order {
   public:
    explicit free_order(bool whole) : whole_(whole) {}
    void insert(pool_worker&, moment at);
    void erase(pool_worker&);
    /// The one that is free first, at `now`; null when there is none.
    const load_key* first(moment now);
    const order& all() const { return all_; }

   private:
    order::iterator& place_of(pool_worker&) const; ///< of its entry
    order all_;
    bool whole_;
  };

  struct worker_class {
    const class_key* key = nullptr; ///< in classes()
    std::size_t members = 0;
    std::size_t present = 0; ///< of them
    std::size_t serving = 0; ///< of those, the ones that do not change their model
    order room;              ///< has_room()
    free_order busy{false};  ///< the others, unless they pull: when one is asked next is not known
    /// The workers that take attempts side by side and are not empty, by the time at which they
    /// will be.
    free_order occupied{true};
    free_order reserved{false}; ///< reserved by this decision: in none of those before
  };
  /// A worker's position in the index.
  struct entry {
    worker_class* in = nullptr;
    bool counts_as_present = false, counts_as_serving = false, givable = false;
    order* room = nullptr; ///< or null
    order::iterator room_at;
    free_order* waits = nullptr; ///< busy or reserved
    order::iterator waits_at;
    bool occupied = false;
    order::iterator occupied_at;
  };

  /// To be called after each change of a worker: its facts, presence, model or load.
  void update(moment now, pool_worker&);
  /// Only its load or its reservation has changed.
  void update_load(moment now, pool_worker&);
  void remove(pool_worker&);
  /// Placement does not see the worker until update_load(); it counts as before.
  void hide(pool_worker& w) { leave_load(w); }
  /// Orders may be asked for their first at this time.
  void look_at(moment now) { latest_ = std::max(latest_, now); }

  using classes_by_key = std::map<class_key, worker_class>;
  classes_by_key& classes() { return classes_; }
  const classes_by_key& classes() const { return classes_; }
  /// Workers that may be given something, of some kind of job.
  std::size_t givable() const { return givable_; }
  /// Serving workers of this model, by device.
  std::map<std::string, std::size_t> serving(const std::string& model) const;
  void audit(const pool_worker&, std::vector<std::string>& broken) const;

 private:
  static class_key key_of(const pool_worker&);
  static bool belongs(moment now, const pool_worker&);
  void leave_load(pool_worker&);

  classes_by_key classes_;
  std::size_t givable_ = 0;
  moment latest_{}; ///< of all times that free_at() was asked for
};

} // namespace tayfa
