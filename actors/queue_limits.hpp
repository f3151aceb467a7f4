// The queue's limits, from the configuration. Pure.
#pragma once

#include "runtime/config/config.hpp"
#include "runtime/core/job_limits.hpp"

namespace tayfa {

job_limits limits_from(const config&);
/// How many webhooks are called at the same time.
webhook_queue::bounds hook_calls_from(const config&);

} // namespace tayfa
