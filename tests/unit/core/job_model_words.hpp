// Words that the random commands of the model's test must produce.
#pragma once

#include <string_view>

namespace tayfa::testing {

/// Each must occur at least once, or the test covers less than it seems to.
inline constexpr std::string_view words_to_see[] = {
    "assigned",
    "attempt_lost",
    "finished",
    "job_error",
    "poisoned",
    "attempts_exhausted",
    "ttl_expired",
    "cancel_requested",
    "revoke",
    "execution_timeout",
    "queue_full",
    "stopping",
    "bad_request",
    "job_not_found",
    "stale;",
    "quota_exceeded",
    "wrong_state",
    "idempotency_mismatch",
    "model_not_found",
    "again j",
    "notify",
    "try 2",
    "of 2",
    "of 3",
    "withdrawn",
    "restarted",
    "retried",
    "by lease_expired",
    "by gpu_oom",
    "as backoff",
    "as delayed",
    "as quota",
    "as isolation",
    "as no_worker",
    "as workers_busy",
    "as stopping",
    "as worker_reserved",
    "deliver p-",
    "refresh",
    "try 4",
    "given up",
    "settled",
    "stop_requested",
    "told again",
    "lives again",
    "to 1/0#",
    "to 1/1#",
    "by unavailable",
};

} // namespace tayfa::testing
