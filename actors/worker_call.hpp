// A remote worker's HTTP call and its reply, as the ingress passes them to remote_workers.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/http/gateway.hpp"

namespace tayfa {

struct worker_call {
  api::worker_request call;
  reply_ptr answer;
};

} // namespace tayfa
