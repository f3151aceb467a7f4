// POST /run and /runsync: the body becomes a job. Pure.
#pragma once

#include "runtime/api/route.hpp"

namespace tayfa::api {

tl::expected<call, response> parse_submit(request&&, route&&, job_access, const limits&);

} // namespace tayfa::api
