// Limits of the job table: a plain value, made from the configuration (actors/queue_limits).
#pragma once

#include "messages/job.hpp"
#include "runtime/core/delivery/webhook_queue.hpp"
#include "runtime/core/fairness/fair_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tayfa {

struct job_limits {
  std::size_t queue_max = 10'000; ///< waiting jobs; beyond it errc::queue_full
  std::size_t tenant_max =
      0; ///< of one tenant, not ended; beyond it errc::quota_exceeded; 0 = none
  std::map<std::string, tenant_terms> tenants;
  tenant_terms other_tenants;
  std::uint32_t max_attempts = 3;
  /// Engines that end while the job runs alone in them, until it FAILS as poison.
  std::uint32_t solo_crashes_max = 3;
  milliseconds execution_timeout{600'000}; ///< default of policy.executionTimeout
  milliseconds ttl{86'400'000};            ///< default of policy.ttl
  /// From assignment, or from the last step of progress, to the loss of the attempt; for workers
  /// that report steps. The execution timeout bounds the others.
  milliseconds lease{120'000};
  /// So long a job stays IN_PROGRESS without its worker, when that one goes on while this process
  /// is started anew: until then the worker may claim the attempt.
  milliseconds claim_window{60'000};
  milliseconds retry_base{100}; ///< pause before the second attempt; doubles for each further one
  milliseconds retry_max{10'000};
  /// Waiting time equivalent to one step of priority: a job of priority p is served as if it had to
  /// be finished (9 - p) steps after its submission.
  milliseconds priority_step{60'000};
  std::uint32_t batch_max = 0; ///< members of one run; 0 = learned, up to what the engine takes
  milliseconds batch_delay{0}; ///< how long the oldest member waits for a batch to fill
  milliseconds keep_async{30 * 60'000}; ///< RunPod: a /run result is kept 30 min
  milliseconds keep_sync{60'000};       ///< RunPod: a /runsync result is kept 1 min
  milliseconds keep_dead{7 * 86'400'000LL};
  /// Ended jobs are forgotten together, at multiples of this, so that they share a commit; nobody
  /// sees one after its time. 0 = each at its time.
  milliseconds forget_step{0};
  std::size_t dead_max = 1'000; ///< jobs on the dead list; the oldest are forgotten beyond it
  std::size_t history_max = 32; ///< ended attempts remembered per job
  std::uint32_t hook_tries = 3; ///< RunPod: a webhook is tried twice more, 10 s apart
  milliseconds hook_pause{10'000};
  webhook_queue::bounds hook_calls;
  std::size_t chunks_max = 4096;                       ///< unread stream chunks kept per job
  std::size_t chunk_bytes_max = std::size_t{64} << 20; ///< of one job's unread chunks, likewise
  /// Unread chunks and progress of all jobs that have not ended, together; beyond it the largest
  /// job of the tenant that holds most loses its oldest chunks.
  std::size_t made_bytes_max = std::size_t{128} << 20;
  /// Inputs, progress and chunks of jobs that have not ended; beyond it errc::queue_full. What
  /// running jobs add is not refused, only counted: made_bytes_max bounds it.
  std::size_t live_bytes_max = std::size_t{1} << 30;
  /// Inputs, outputs and chunks of ended jobs; beyond it, or beyond so many jobs, the oldest ones
  /// of the tenant that has the most are forgotten before their time. The one that ended last
  /// stays.
  std::size_t kept_bytes_max = std::size_t{1} << 30;
  std::size_t kept_jobs_max = 100'000;
  /// Purges, time-outs and forgetting change so many rows in a step, fewer while others change
  /// something as well (step_pace).
  std::size_t step_rows = 128;
  /// Changes are noted for take_changes(). Without a store they would never be taken.
  bool durable = false;
  /// Texts larger than this leave memory once they are durable; 0 = never.
  std::size_t spill_above = 0;
};

} // namespace tayfa
