// The waiting jobs, in the order in which they are to be served. Pure: knows orders and times, not
// jobs.
//
//   * Between tenants: weighted fair queueing (start-time fair queueing, Goyal, Vin and Cheng
//   1996).
//     A tenant's virtual time grows by expected milliseconds / weight of what it is given; the
//     tenant with the least virtual time is served next. One that was idle starts at the others'
//     least, so that nobody saves up.
//   * Within a tenant: earliest urgency first, ties by order. Urgency is a moment fixed at
//     submission (job_table::urgency_of): a low priority is a later moment, so every job gets its
//     turn as time goes by, without its place ever being computed again (ageing for free).
//   * A group is what may run together and is placed alike: model, shape, and `alone` for a job
//   that
//     must not share an engine (its own order; 0 = may share).
//
// Every operation is O(log n) in the jobs of a tenant and group; looking for the next job is linear
// in the tenants at quota and in the groups that were passed over, never in jobs.
//
// Owner: the job table. Invariant: what was added and not removed is found exactly once.
#pragma once

#include "messages/job.hpp"
#include "runtime/world/clock.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

struct group_key {
  std::string model;
  std::string shape;
  std::uint64_t alone = 0;
  auto operator<=>(const group_key&) const = default;
};

struct tenant_terms {
  double weight = 1;             ///< > 0; its share relative to the others'
  std::uint32_t running_max = 0; ///< jobs in progress at the same time; 0 = no limit
};

class fair_lines {
 public:
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

  /// `known` by name; everybody else has the terms `others`.
  fair_lines(std::map<std::string, tenant_terms> known, tenant_terms others);

  void add(const place&);
  /// The same place that was added.
  void remove(const place&);

  /// A job of the tenant is given out and was removed before: its share is charged, its run
  /// counted.
  void started(const std::string& tenant, milliseconds expected);
  /// That job runs no more: the charge is corrected to what it took.
  void ended(const std::string& tenant, milliseconds expected, milliseconds took);

  /// Who is served next, leaving out these groups and the tenants at their quota.
  std::optional<candidate> first(const std::vector<group_id>& passed) const;
  /// Who is served next of one group, of any tenant not at its quota.
  std::optional<candidate> first_of(group_id) const;

  std::size_t size() const; ///< all that wait
  std::size_t waiting(const std::string& tenant) const;
  std::size_t running(const std::string& tenant) const;
  std::size_t waiting_in(const group_key&) const; ///< of any tenant
  /// Any job of this model waits (a worker that has it loaded had better keep it).
  bool wants(const std::string& model) const;
  bool at_quota(const std::string& tenant) const;

 private:
  // (the author of fair_lines.cpp decides)
};

} // namespace tayfa
