// The job table's data: jobs, tenants, and the indexes of each. Plain data without rules.
//
// Owner: job_table, which derives from it and is the only one that changes it; every invariant is
// job_table's (audit() checks them).
#pragma once

#include "messages/job.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/delivery/deliveries.hpp"
#include "runtime/core/jobs/made_bytes.hpp"
#include "runtime/core/jobs/sorted_blocks.hpp"
#include "runtime/core/jobs/step_pace.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa {

class job_books {
 protected:
  using deadline = std::pair<moment, std::uint64_t>; ///< when, and the job's order
  using order_set = sorted_blocks<std::uint64_t>;

  /// Data of jobs with a past only; new jobs have none.
  struct past {
    std::vector<attempt_view> history;
    std::optional<error> failure;
    std::deque<chunk> chunks; ///< unread
    std::size_t chunk_bytes = 0;
    std::uint64_t chunks_gone = 0;    ///< before those: received, dropped or discarded
    std::uint32_t chunks_taken = 0;   ///< received by readers, of the latest attempt
    std::uint32_t chunks_dropped = 0; ///< before anybody received them, of the latest attempt
    std::optional<milliseconds> delay;
    std::optional<milliseconds> execution;
    moment ended;
  };

  struct record {
    const job_id* id = nullptr; ///< the key in jobs_
    std::uint64_t order = 0;    ///< of submission
    job_request request;
    std::uint64_t fingerprint = 0;
    std::size_t input_bytes = 0; ///< also when the input has left memory
    std::size_t output_bytes = 0;
    std::size_t bytes = 0; ///< as counted in live_bytes_ or kept_bytes_
    moment submitted;
    moment life_began; ///< submission, or the latest retry
    moment due;        ///< its key in deadlines_, with `order`
    moment not_before;
    machine<job_state> state;

    bool watch = false;
    bool kept = false;     ///< counted in kept_bytes_
    bool listed = false;   ///< and in what is kept for its tenant
    bool sleeping = false; ///< IN_QUEUE but not in lines_: not_before is to come
    bool parked = false;   ///< likewise: the catalogue has no such model, or it is to be purged
    bool slow = false;     ///< its deadline is in slow_deadlines_
    bool suspect = false;  ///< to run alone
    bool in_batch = false; ///< the latest attempt ran with others
    bool dead = false;
    bool stored = false;              ///< its row is durable
    bool refresh = false;             ///< it asked for a fresh worker
    std::uint8_t changed = 0;         ///< store::parts not yet taken
    std::uint8_t flying = 0;          ///< store::parts in flight
    std::optional<job_state> tallied; ///< the live state that numbers_ counts it in

    std::uint32_t attempts = 0;      ///< also the number of the latest attempt
    std::uint32_t free_attempts = 0; ///< of earlier lives, or handed back: they cost nothing
    std::uint32_t lives = 1;
    std::uint32_t lone_kills = 0;
    std::uint32_t progress_seen = 0;
    std::uint32_t chunk_seen = 0;
    worker_ref holder;                              ///< of the latest attempt
    std::shared_ptr<const std::string> holder_name; ///< unless it is its place's default
    moment keep_until;                              ///< somebody asked for its result to stay
    moment assigned;
    moment lease_end;
    std::optional<moment> began;
    std::uint32_t expected_ms = 0; ///< charged to the tenant for the latest attempt

    shared_text output;
    delivery_state delivery; ///< of its end
    std::unique_ptr<past> past_;
  };

  /// The jobs of one tenant, and their charges.
  struct tenant_jobs {
    const std::string* name = nullptr; ///< the key in tenants_
    order_set orders;
    std::size_t live = 0;
    std::size_t kept_bytes = 0;    ///< of ended jobs, without results to be delivered to platforms
    sorted_blocks<deadline> ended; ///< when, without the dead and the undelivered
    sorted_blocks<deadline> dead;  ///< likewise
  };
  /// Tenants by what is kept for them of one kind; only those with any.
  using tenant_ranks = std::set<std::pair<std::size_t, std::string_view>>;

  /// A purge that goes on: what waits of the orders above `at`, up to `upto`.
  struct purge_order {
    std::uint64_t number = 0;
    job_access covered;
    std::uint64_t at = 0;
    std::uint64_t upto = 0;
    std::size_t removed = 0;
    std::set<std::uint64_t> spared; ///< began to wait after the purge was asked for
  };

  std::unordered_map<job_id, record> jobs_;
  std::unordered_map<std::uint64_t, record*> by_order_;
  std::map<std::string, record*> by_key_; ///< endpoint, tenant and idempotency key
  // Lists and purges: the orders of all jobs, and of those of one kind.
  order_set orders_here_;
  std::array<order_set, 6> of_state_;
  order_set of_dead_;
  std::unordered_map<std::string, tenant_jobs> tenants_;
  std::unordered_map<std::string, order_set> of_model_;
  std::unordered_map<std::string, order_set> of_endpoint_;
  order_set origins_live_;     ///< jobs of platforms that have not ended
  order_set undelivered_list_; ///< results that platforms have not accepted yet; never trimmed
  std::size_t ended_ = 0;      ///< without the dead and the undelivered
  std::size_t live_bytes_ = 0;
  made_bytes made_; ///< of the live ones, by order
  std::size_t kept_bytes_ = 0;
  tenant_ranks by_bytes_, by_ended_, by_dead_;
  // Each job has one deadline, next_due(). Slow ones (time-outs of waiting jobs, ends of retention)
  // are served in steps whose rows are durable before the next.
  sorted_blocks<deadline> deadlines_;
  sorted_blocks<deadline> slow_deadlines_;
  std::vector<purge_order> purges_;
  std::uint64_t purge_numbers_ = 0;
  std::optional<moment> steps_at_; ///< a purge, or jobs of a broken model, are to be gone on with
  step_pace pace_{1};
  bool step_dirty_ = false;  ///< rows of the last step are not taken yet
  bool step_flying_ = false; ///< or in flight
};

} // namespace tayfa
