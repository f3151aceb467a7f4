// The queue's limits, from the configuration. Pure.
#pragma once

#include "runtime/config/config.hpp"
#include "runtime/core/job_table.hpp"

namespace tayfa {

/// errc::bad_config, naming the field, when queue.tenants cannot be read.
result<job_limits> limits_from(const config&);

} // namespace tayfa
