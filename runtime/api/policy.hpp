// The `policy` object of a job, RunPod's members and Tayfa's, and the key that makes a submission
// safe to repeat. Pure.
#pragma once

#include "messages/job.hpp"

#include <string>
#include <string_view>

namespace tayfa::api {

/// Precondition: `text` is one JSON value. Members that are not named in job_policy are not read;
/// what is null counts as not given.
result<job_policy> policy_of(std::string_view text);

/// The key that the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) names: a
/// string of RFC 8941, 3.3.3, or the bare text that many clients send instead. 1 to 255 characters
/// of printable ASCII.
result<std::string> idempotency_key_of(std::string_view header);

} // namespace tayfa::api
