// How many jobs there are in which state, by endpoint and tenant: what one who sees only some of
// the jobs is shown of their numbers. Kept as the jobs move, so that asking costs the same however
// many jobs there are. Plain counting, no time.
//
// Owner: the job table, which says each move once. Memory is bounded: beyond `tenants_max` tenants
// of one endpoint those without a live job are forgotten, and count from zero when they come back.
#pragma once

#include "messages/job.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace tayfa {

class job_numbers {
 public:
  static constexpr std::size_t tenants_usual = 10'000;

  explicit job_numbers(std::size_t tenants_max = tenants_usual) : tenants_max_(tenants_max) {}

  /// A job of this endpoint and tenant is in `state` from now on, or (by = -1) no longer.
  void live(const job_request&, job_state state, int by);
  /// Counts a job that has ended in `state`, or (by = -1) takes it back.
  void ended(const job_request&, job_state state, int by = 1);
  void retried(const job_request&);

  /// Counts of the jobs that this access covers. `kept`, `dead` and `stale` are not included.
  job_counts of(const job_access&) const;

  std::size_t tenants(std::string_view endpoint) const; ///< remembered

 private:
  struct endpoint {
    job_counts all;
    std::map<std::string, job_counts, std::less<>> tenants;
  };

  template <class Change>
  void change(const job_request&, Change);
  void make_room(endpoint&) const;

  std::size_t tenants_max_;
  std::map<std::string, endpoint, std::less<>> endpoints_;
};

} // namespace tayfa
