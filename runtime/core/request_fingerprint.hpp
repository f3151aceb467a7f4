// Which requests are the same one to an idempotency key. Pure.
#pragma once

#include "messages/job.hpp"

#include <cstdint>

namespace tayfa {

/// Over the fields that request_fields.hpp says. Stores keep it: what it is of a request never
/// changes.
std::uint64_t fingerprint(const job_request&);

} // namespace tayfa
