#include "actors/queue_limits.hpp"

#include "runtime/store/store.hpp"

#include <charconv>

namespace tayfa {

namespace {

template <class Number>
bool whole(std::string_view text, Number& value) {
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return !text.empty() && read.ec == std::errc{} && read.ptr == end;
}

/// "name=weight" or "name=weight:running".
result<std::pair<std::string, tenant_terms>> tenant_from(std::string_view text,
                                                         std::uint32_t running_max) {
  const auto bad = [text] {
    return fail(errc::bad_config, "queue.tenants: '" + std::string{text} +
                                      "' is not name=weight or name=weight:jobs, with a weight "
                                      "from 0.001 to 1000");
  };
  const auto equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos || equals > job_policy::name_max) {
    return bad();
  }
  tenant_terms terms;
  terms.running_max = running_max;
  auto rest = text.substr(equals + 1);
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    if (!whole(rest.substr(colon + 1), terms.running_max)) {
      return bad();
    }
    rest = rest.substr(0, colon);
  }
  if (!whole(rest, terms.weight) || !(terms.weight >= 0.001 && terms.weight <= 1000)) {
    return bad();
  }
  return std::pair{std::string{text.substr(0, equals)}, terms};
}

} // namespace

result<job_limits> limits_from(const config& c) {
  job_limits l;
  l.queue_max = c.queue_max;
  l.tenant_max = c.queue_tenant_max;
  l.other_tenants.running_max = c.queue_tenant_running_max;
  for (const auto& text : c.queue_tenants.items()) {
    auto tenant = tenant_from(text, c.queue_tenant_running_max);
    if (!tenant) {
      return fail(tenant.error());
    }
    l.tenants.insert(std::move(*tenant));
  }
  l.live_bytes_max = c.queue_bytes_max;
  l.kept_bytes_max = c.queue_keep_bytes;
  l.kept_jobs_max = c.queue_keep_jobs;
  l.max_attempts = c.queue_max_attempts;
  l.lone_kills_max = c.queue_poison_after;
  l.execution_timeout = c.queue_execution_timeout;
  l.ttl = c.queue_ttl;
  l.lease = c.queue_lease;
  l.retry_base = c.queue_retry_base;
  l.retry_max = c.queue_retry_max;
  l.priority_step = c.queue_priority_step;
  l.batch_max = c.queue_batch_max;
  l.batch_delay = c.queue_batch_delay;
  l.keep_async = c.queue_keep_async;
  l.keep_sync = c.queue_keep_sync;
  l.keep_dead = c.queue_keep_dead;
  l.dead_max = c.queue_dead_max;
  l.history_max = c.queue_history;
  l.hook_tries = c.webhook_tries;
  l.hook_pause = c.webhook_pause;
  l.durable = c.store_kind != "memory";
  l.spill_above = l.durable ? job_store::inline_max : 0;
  return l;
}

} // namespace tayfa
