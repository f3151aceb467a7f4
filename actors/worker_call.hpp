// What the ingress passes on to the remote workers' actor: a worker's HTTP call and its reply.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/http/gateway.hpp"

namespace tayfa {

struct worker_call {
  api::worker_request call;
  reply_ptr answer;
};

} // namespace tayfa
