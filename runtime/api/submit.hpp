// POST /run and /runsync: the body becomes a job. Pure.
#pragma once

#include "runtime/api/route.hpp"

namespace tayfa::api {

tl::expected<call, response> parse_submit(request&&, route&&, job_access, const limits&);

// The parts of it that other submissions share.

/// `application/json` with any parameters, or nothing said. Forms and plain text are what a web
/// page may post to a stranger's port without asking, so they never count as JSON.
bool is_json(std::string_view content_type);
/// Sets the tenant of the caller's key; errc::forbidden when the job names another one.
result<void> take_tenant(const principal&, job_policy&);

} // namespace tayfa::api
