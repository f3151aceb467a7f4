// Ids of jobs that this pod accepts. An id is a capability, so only a secret_source makes one.
#pragma once

#include "messages/ids.hpp"
#include "runtime/base/secrets.hpp"

namespace tayfa {

/// A new id in RunPod's form: "<uuid>-t1", or "sync-<uuid>-t1". No two are the same.
inline job_id make_job_id(secret_source& secrets, bool sync) {
  return job_id{(sync ? "sync-" : "") + secrets.uuid() + "-t1"};
}

} // namespace tayfa
