// Effects of the pod's session: on its workers, its disk, the connection, the log.
//
// Towards the workers these are the queue's messages: assign_attempts, revoke_attempt and
// change_worker_model.
#pragma once

#include "messages/pod_protocol.hpp"
#include "messages/workers.hpp"
#include "runtime/pods/transport.hpp"

#include <string>
#include <variant>

namespace tayfa::pods {

/// head_connector::connect() with this address and key of the head.
struct connect_head {
  std::string address, head_key;
};
/// head_connector::disconnect().
struct disconnect_head {};

/// Make the result durable, then pod_session::result_kept().
struct keep_result {
  protocol::finished result;
};
/// pod_session::result_read() with what was kept.
struct read_result {
  attempt_ref attempt;
};
struct delete_result {
  attempt_ref attempt;
};

/// The head that has welcomed the pod is remembered on its disk.
struct remember_head {
  std::string id;
};
/// The head is known by this key and address from now on.
struct head_moved {
  std::string key, address;
};
/// Make a new key pair, durably, then pod_session::key_made().
struct make_key {};

/// For the log, /ping and metrics.
struct pod_event {
  enum class what : std::uint8_t {
    linked,       ///< a session has begun
    cut,          ///< the connection has ended
    silent,       ///< nothing was received from the head
    refused,      ///< by the head, with its reason
    unreachable,  ///< the connection could not be made
    results_fail, ///< a result could not be made durable
    drained,
    revoked,
  } kind = what::linked;
  std::string text;
};

using session_effect = std::variant<connect_head, disconnect_head, assign_attempts, revoke_attempt,
                                    change_worker_model, keep_result, read_result, delete_result,
                                    remember_head, head_moved, make_key, pod_event>;
using session_effects = std::vector<session_effect>;

} // namespace tayfa::pods
