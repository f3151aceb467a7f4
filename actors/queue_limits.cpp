#include "actors/queue_limits.hpp"

#include "runtime/config/share.hpp"
#include "runtime/store/store.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr milliseconds forget_step{100};

} // namespace

webhook_queue::bounds hook_calls_from(const config& c) {
  const std::size_t all = c.webhook_calls;
  webhook_queue::bounds b;
  b.calls_max = all;
  b.target_max = std::max<std::size_t>(all / 4, 1);
  return b;
}

job_limits limits_from(const config& c) {
  job_limits l;
  l.queue_max = c.queue_max;
  l.tenant_max = c.queue_tenant_max;
  l.other_tenants.running_max = c.queue_tenant_running_max;
  for (const auto& text : c.queue_tenants.items()) {
    if (const auto share = parse_share(text)) { // the configuration has checked it
      l.tenants[share->name] = {share->weight,
                                share->running_max.value_or(c.queue_tenant_running_max)};
    }
  }
  l.live_bytes_max = c.queue_bytes_max;
  l.made_bytes_max = c.queue_chunk_bytes;
  l.kept_bytes_max = c.queue_keep_bytes;
  l.kept_jobs_max = c.queue_keep_jobs;
  l.max_attempts = c.queue_max_attempts;
  l.solo_crashes_max = c.queue_poison_after;
  l.execution_timeout = c.queue_execution_timeout;
  l.ttl = c.queue_ttl;
  l.lease = c.queue_lease;
  l.claim_window = c.workers_claim_window;
  l.retry_base = c.queue_retry_base;
  l.retry_max = c.queue_retry_max;
  l.priority_step = c.queue_priority_step;
  l.batch_max = c.queue_batch_max;
  l.batch_delay = c.queue_batch_delay;
  l.keep_async = c.queue_keep_async;
  l.keep_sync = c.queue_keep_sync;
  l.keep_dead = c.queue_keep_dead;
  l.forget_step = forget_step;
  l.dead_max = c.queue_dead_max;
  l.history_max = c.queue_history;
  l.hook_tries = c.webhook_tries;
  l.hook_pause = c.webhook_pause;
  l.hook_calls = hook_calls_from(c);
  l.durable = c.store_kind != "memory";
  l.spill_above = l.durable ? job_store::inline_max : 0;
  return l;
}

} // namespace tayfa
