// The waiting jobs, in the order in which they are to be served. Pure: knows orders and times, not
// jobs.
//
//   * Between tenants: start-time fair queueing (Goyal, Vin and Cheng 1996) with weights. A
//     tenant's virtual time grows by expected milliseconds / weight of what it is given; the tenant
//     with the least virtual time is served next. One that was idle starts at the least of those
//     who wait for the same (group, else model, else anything), so that no tenant saves up; but not
//     beyond the latest start there was, so that it does not pay for what others were given.
//   * Fairness has a horizon: what was given longer ago than that counts less and less
//     (exponentially, by milliseconds given to all). It is far longer than a round of all turns, so
//     that it changes no share; but a tenant that used for hours what no other tenant could use
//     (another model's workers) is not shut out for hours when it wants what others want.
//   * Within a tenant: earliest urgency first, ties by order. Urgency is a moment fixed at
//     submission (job_table::urgency_of): a low priority is a later moment, so every job gets its
//     turn as time goes by, without its place ever being computed again (ageing for free).
//   * A group is what is placed alike: endpoint, model, shape, and whether it must not share an
//     engine. Jobs of one group that may share one may run together.
//
// Every operation is O(log n) in the jobs of a tenant and group; looking for the next job is linear
// in the groups that were passed over (a few instructions each), never in jobs nor in tenants.
// Groups that differ in shape only can be passed over together. Two rare exceptions: looking
// in one group is linear in the tenants that wait in more than `narrow_max` groups but not in that
// one; every few hundred horizons of work all tenants are listed anew (rescale).
//
// Owner: the job table. Invariants: what was added and not removed is found exactly once; a tenant
// that waits or runs is known, at most idle_max others are (what they were given counts as long as
// it is more than any waiting tenant got); the same calls give the same answers.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/clock.hpp"

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa {

struct group_key {
  std::string model;
  std::string shape;
  bool alone = false;     ///< must not share an engine
  std::string endpoint{}; ///< remote workers run jobs of one
  auto operator<=>(const group_key&) const = default;
};

struct tenant_terms {
  double weight = 1;             ///< > 0; its share relative to the others'
  std::uint32_t running_max = 0; ///< jobs in progress at the same time; 0 = no limit
};

class fair_queue {
 public:
  static constexpr std::size_t idle_max = 4096;
  static constexpr std::size_t narrow_max = 16;

  using group_id = std::uint32_t; ///< valid while the group has jobs

  struct place {
    std::string tenant;
    group_key group;
    moment urgency;
    std::uint64_t order = 0;
  };
  struct candidate {
    std::uint64_t order = 0;
    moment urgency;
    group_id group = 0;
    const std::string* tenant = nullptr;
    const group_key* key = nullptr;
  };

  /// `known` by name; all other tenants have the terms `others`.
  fair_queue(std::map<std::string, tenant_terms> known, tenant_terms others);

  void add(const place&);
  /// The same place that was added.
  void remove(const place&);

  /// A job of the tenant is given out and was removed before: its share is charged, its run
  /// counted.
  void started(const std::string& tenant, milliseconds expected);
  /// The job's run has ended: the charge is corrected to the time it took.
  void ended(const std::string& tenant, milliseconds expected, milliseconds took);
  /// A run of the tenant will cost so much beside its own time (an engine that has to be started
  /// anew). A tenant that is not known any more is charged nothing.
  void expect_also(const std::string& tenant, double ms);
  /// The additional cost is known: the charge is corrected to the real one.
  void settle_also(const std::string& tenant, double expected, double took);

  /// Groups that a search leaves out, one by one or with all that differ in shape only.
  struct passed_over {
    passed_over() = default;
    passed_over(std::initializer_list<group_id>);
    passed_over(const std::vector<group_id>&);
    std::vector<bool> groups, kinds;
    std::size_t count = 0; ///< calls of pass()
  };
  void pass(passed_over&, group_id, bool whole_kind) const;
  /// The next job to serve, except of these groups and of tenants at their quota.
  std::optional<candidate> first(const passed_over&) const;
  /// The next job of one group, of any tenant not at its quota.
  std::optional<candidate> first_of(group_id) const;
  /// Any job of this model, of any tenant not at its quota.
  std::optional<candidate> any_of(const std::string& model) const;

  std::size_t size() const; ///< all that wait
  std::size_t waiting(const std::string& tenant) const;
  std::size_t running(const std::string& tenant) const;
  std::size_t waiting_in(const group_key&) const; ///< of any tenant
  /// Any job of this model waits (a worker that has it loaded had better keep it).
  bool wants(const std::string& model) const;
  bool at_quota(const std::string& tenant) const;
  std::size_t tenants() const { return tenants_.size(); } ///< known now

 private:
  struct ticket {
    moment urgency;
    std::uint64_t order = 0;
    auto operator<=>(const ticket&) const = default;
  };
  struct tenant;
  struct turn { ///< of a tenant
    double at = 0;
    std::uint64_t since = 0;
    tenant* who = nullptr;
    bool operator<(const turn& other) const {
      return std::tie(at, since) < std::tie(other.at, other.since);
    }
  };
  /// The turn of a group: that of the tenant that is first in it.
  using group_turn = std::tuple<double, std::uint64_t, group_id>;

  struct group {
    const group_key* key = nullptr; ///< in groups_
    group_id id = 0;
    std::uint32_t kind = 0;
    std::size_t waiting = 0;
    std::set<turn> turns;             ///< narrow tenants that wait in it
    std::optional<group_turn> ranked; ///< its place in ranking_
  };
  /// The index that contains a tenant: the turns of each of its groups when it has few of them,
  /// broad_ when many, so that neither a changed turn nor a search costs much.
  enum class listing : std::uint8_t { nowhere, narrow, broad, held, idle };

  struct subqueue { ///< of one tenant in one group; never empty
    group* in = nullptr;
    std::set<ticket> jobs;
  };
  struct tenant {
    const std::string* name = nullptr; ///< the key in tenants_
    tenant_terms terms;
    double virtual_ms = 0;   ///< scaled by scale_
    double unsettled_ms = 0; ///< likewise: the part of it that is only expected so far
    std::uint64_t since = 0; ///< tick at which it began to wait; orders equals
    std::size_t waiting = 0;
    std::size_t running = 0;
    listing listed = listing::nowhere;
    bool wide = false;
    std::map<group_id, subqueue> subqueues;
    std::set<std::pair<ticket, group_id>> heads; ///< the first job of each subqueue
    bool active() const { return waiting + running > 0; }
    bool at_quota() const { return terms.running_max > 0 && running >= terms.running_max; }
    turn now() { return {virtual_ms, since, this}; }
  };

  tenant& known_tenant(const std::string& name);
  const tenant* find(const std::string& name) const;
  group& known_group(const group_key&);
  void forget_group(group&);
  bool left_out(const passed_over&, group_id) const;
  static bool put(tenant&, group&, subqueue&, const ticket&);

  // Maintenance of the orders of tenants and groups (fair_queue_order.cpp).
  void list(tenant&);
  void unlist(tenant&);
  void subqueue_made(tenant&, subqueue&);
  void subqueue_gone(tenant&, group&);
  void rank(group&);
  void set_active(tenant&, bool was_active);
  std::optional<double> least() const;
  double start_for(const group&) const;
  void forget_idle();
  void charge(tenant&, double ms);
  void settle(tenant&, double expected, double took);
  void rescale();

  std::map<std::string, tenant_terms> terms_;
  tenant_terms others_;
  std::unordered_map<std::string, tenant> tenants_;
  std::map<group_key, group> groups_;
  std::vector<group*> by_id_;
  std::vector<group_id> free_ids_;
  struct kind {
    std::uint32_t id = 0;
    std::size_t groups = 0;
  };
  std::map<group_key, kind> kinds_; ///< of groups, by their key without its shape
  std::vector<std::uint32_t> free_kinds_;
  std::size_t size_ = 0;
  std::uint64_t ticks_ = 0;

  std::set<group_turn> ranking_; ///< groups by the turn of their first narrow tenant
  std::set<turn> broad_;
  std::set<turn> held_; ///< tenants that wait and are at their quota
  std::set<turn> idle_; ///< tenants that neither wait nor run, kept for what they were given
  double highest_ = 0;  ///< settled turn at which a job was started, the latest there was

  double scale_ = 1;           ///< what a millisecond given now counts: more than earlier ones
  double longest_turn_ms_ = 0; ///< given to all while a tenant waits for its next turn
  double in_flight_ms_ = 0;    ///< expected, of what runs
  double active_weight_ = 0;
  std::size_t active_ = 0;
};

} // namespace tayfa
