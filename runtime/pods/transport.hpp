// The connections under the pod link, as the two ends of it see them. runtime/pods_net implements
// both with ZeroMQ and CURVE; tests and the simulation have their own.
//
// A connection carries link messages (runtime/link), whole, in order while it lasts, and loses what
// is under way when it ends: `sent::yes` means nothing but "taken". The key of a received message
// is proven by the connection (CURVE); everything else in it is untrusted.
//
// Events come from the implementation's own thread, one after the other, and never from within a
// call of it.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secret.hpp"
#include "runtime/link/link_state.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>

namespace tayfa::pods {

/// Never used twice in one process; 0 = none.
using connection_id = std::uint64_t;

/// A CURVE key pair, both halves as Z85 (40 characters).
struct key_pair {
  std::string public_key;
  secret_text secret_key;
};

enum class sent : std::uint8_t {
  yes,  ///< taken; it may still be lost with the connection
  full, ///< not taken; `writable` (`connection_writable`) follows when the connection takes more
  gone, ///< not taken; the connection has ended
};

// ---- the head's side ----------------------------------------------------------------------------

/// A link message of a connection.
struct received {
  connection_id connection = 0;
  /// Proven by this very message: a trusted pod's public key (Z85), or "join:<id>" for a peer that
  /// has only the key of a join token.
  std::string key;
  std::string bytes; ///< one link message
  /// While it lives, the message counts among those that the listener has delivered: it reads on
  /// when enough of them are dealt with. May be null.
  std::shared_ptr<const void> permit{};
};
/// Nothing more comes from it.
struct gone {
  connection_id connection = 0;
};
/// After send() said full.
struct writable {
  connection_id connection = 0;
};
/// For the log and a metric; not more than a few a second.
struct refused_peer {
  std::string address;
  std::string why;
};
/// The listener lets nobody new in until it is closed and opened anew. Peers that are connected may
/// go on meanwhile.
struct listener_failed {
  error why;
};
using listener_event = std::variant<received, gone, writable, refused_peer, listener_failed>;

/// Peers that are let in: replaced as a whole, never changed.
struct admitted {
  /// Public key (Z85) -> empty for a trusted pod, or the id of the join token whose key it is.
  std::unordered_map<std::string, std::string> keys;
};

struct listen_options {
  std::string endpoint; ///< "tcp://ADDRESS:PORT"; port 0 = any
  key_pair keys;        ///< the head's
};

/// Thread safe.
class pod_listener {
 public:
  virtual ~pod_listener() = default;
  /// The endpoint that is bound.
  virtual result<std::string> open(const listen_options&,
                                   std::function<void(listener_event)> on_event) = 0;
  virtual sent send(connection_id, const link_message&) = 0;
  /// Closes the TCP connection; no event of it follows but `gone`.
  virtual void drop(connection_id) = 0;
  /// Holds for peers that connect from now on; drop() ends those that are connected.
  virtual void admit(std::shared_ptr<const admitted>) = 0;
  /// A further endpoint with another key of the head, for the rotation of that key. The endpoint
  /// that is bound.
  virtual result<std::string> add_endpoint(const listen_options&) = 0;
  /// Ends its connections too.
  virtual result<void> remove_endpoint(const std::string& endpoint) = 0;
  /// No event follows after its return.
  virtual void close() = 0;
};

// ---- the pod's side -----------------------------------------------------------------------------

/// The head has proven its key and has let this pod in.
struct connected {};
struct message_in {
  std::string bytes; ///< one link message
};
enum class cut : std::uint8_t {
  unreachable,    ///< no connection, or no answer in time
  refused,        ///< the head does not let this pod's key in
  wrong_head_key, ///< the peer at the address is not the head, or has another key
  ended,          ///< it was connected
};
struct connection_ended {
  cut why = cut::ended;
  std::string text; ///< for people
};
/// After send() said full.
struct connection_writable {};
using connector_event = std::variant<connected, message_in, connection_ended, connection_writable>;

struct connect_options {
  std::string address;  ///< "tcp://HOST:PORT"
  std::string head_key; ///< public, Z85
  key_pair keys;        ///< the pod's
};

/// Makes one try of one connection at a time; the pod's session decides when the next one is made.
/// Each connect() is followed by exactly one `connection_ended`, unless disconnect() came before.
/// Thread safe.
class head_connector {
 public:
  virtual ~head_connector() = default;
  virtual void connect(const connect_options&, std::function<void(connector_event)> on_event) = 0;
  virtual sent send(const link_message&) = 0;
  /// No event of the connection follows after its return.
  virtual void disconnect() = 0;
};

} // namespace tayfa::pods
