// Effects of the registry of pods: on the queue, the connections, the log.
//
// Towards the queue these are its messages: worker_ready (facts.capacity 0 while the pod takes
// nothing), attempt_reported, worker_gone, model_refused, and reconcile_pod.
#pragma once

#include "messages/models.hpp"
#include "messages/pod_claims.hpp"
#include "messages/pod_protocol.hpp"
#include "messages/workers.hpp"
#include "runtime/pods/transport.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tayfa::pods {

struct attempt_hash {
  std::size_t operator()(const attempt_ref& a) const noexcept {
    return std::hash<job_id>{}(a.job) * 31 + a.number;
  }
};

/// Close it; `gone` follows.
struct drop_connection {
  connection_id connection = 0;
};

/// For the log, and for metrics.
struct noted {
  enum class what : std::uint8_t {
    linked,     ///< a session has begun
    cut,        ///< the connection ended; the session waits for the next one
    suspect,    ///< silent for some beats: no new work
    heard,      ///< after it was suspect
    lost,       ///< its attempts are to run again
    refused,    ///< a hello, with the reason
    cloned,     ///< two processes use one key
    slow,       ///< it does not take what it is sent
    bad_frame,  ///< the first of a while that broke a rule
    misbehaved, ///< cut for a while
    unfit,      ///< it takes no attempts although it said so
    drained,
    revoked,
  } kind = what::linked;
  std::string key, name, text;
};

/// A peer with the key of a join token asks to be trusted under a key of its own. The answer:
/// pod_registry::joined().
struct join_asked {
  connection_id connection = 0;
  std::string token; ///< id of the token
  std::string key, name, release;
};
/// A pod rotates its key: `next` is to be trusted as well until it has said hello with it.
struct key_announced {
  std::string key, next;
};

/// A row of the pod's log.
struct pod_log {
  std::string key, name;
  protocol::log row;
};

using effect =
    std::variant<worker_ready, attempt_reported, worker_gone, model_refused, reconcile_pod,
                 drop_connection, noted, pod_log, join_asked, key_announced>;
using effects = std::vector<effect>;

} // namespace tayfa::pods
