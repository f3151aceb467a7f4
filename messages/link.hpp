// The link between a head and its pods, inside each of the two processes: its failures, and the
// requests of operators about pods and about whom the head lets in. Plain values that never leave
// the process.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

using std::chrono::milliseconds;

/// The address for pods cannot be listened at, or the pod's results cannot be read: the process
/// must end.
struct link_failed {
  error why;
};
/// From head_link: the head of this pod answers, or does not (any more).
struct link_moved {
  bool linked = false;
  std::string head; ///< its address
};

// ---- operators: ingress -> pod_gateway ---------------------------------------------------------

// Each text is at most pod_text_max long.
inline constexpr std::size_t pod_text_max = 64;

/// A pod that has linked to this head since it started (GET /pods).
struct pod_summary {
  std::string name, key; ///< the key is the pod's identity; names are for people
  std::string state;     ///< linked, suspect, draining, drained, closed, cut, away
  std::string why;       ///< it takes nothing
  std::string release;
  std::uint32_t slots = 0;
  std::uint32_t attempts = 0; ///< that the head counts there
  std::uint32_t running = 0;  ///< as the pod says
  std::vector<std::string> models;
  milliseconds silent{0};                    ///< since its last message
  std::uint64_t round_trip_us = 0;           ///< 0 = not known yet
  std::uint64_t bytes_in = 0, bytes_out = 0; ///< of messages, since the head started
};
struct pods_answer {
  result<std::vector<pod_summary>> value;
};
struct list_pods {
  using answer = pods_answer;
};

enum class pod_drain : std::uint8_t {
  off,      ///< it gets work again
  graceful, ///< nothing new; what is there ends
  quick,    ///< likewise; what waits runs elsewhere, and after half a minute what runs
  fast,     ///< all of it runs elsewhere, at once
};
/// POST /pods/{pod}/drain and /pods/{pod}/undrain. A pod is named by its name or its key.
struct drain_pod {
  using answer = pods_answer;
  std::string pod;
  pod_drain how = pod_drain::graceful;
};

/// A pod of the head's list (GET /link).
struct trusted_pod {
  std::string name, key;
  bool trusted = false; ///< else revoked
  std::string by;       ///< who decided that
};
struct join_token_summary {
  std::string id;
  bool expired = false;
  milliseconds expires_in{0};
  std::string used_by; ///< key of the pod that has joined with it
  std::string by;
};
struct trust_list {
  std::string listens; ///< where pods connect to, as it was bound
  std::vector<trusted_pod> pods;
  std::vector<join_token_summary> tokens;
};
struct trust_answer {
  result<trust_list> value;
};
struct list_trust {
  using answer = trust_answer;
};
/// POST /link/{pod}/trust and /link/{pod}/revoke; effective before it is answered.
struct change_trust {
  using answer = trust_answer;
  std::string pod; ///< its name or its key
  bool trusted = true;
  std::string name; ///< of a pod that is trusted by its key and not listed yet
  std::string by;
};

/// POST /link/tokens: one new pod may join with the answer's text.
inline constexpr std::uint32_t token_minutes_max = 60 * 24 * 30;
struct join_text {
  std::string token; ///< its id
  std::string text;  ///< the join string: a secret
  milliseconds expires_in{0};
};
struct join_text_answer {
  result<join_text> value;
};
struct make_join_text {
  using answer = join_text_answer;
  /// HOST:PORT of the head as pods reach it, or HOST: with the port that it listens at. None: where
  /// it listens.
  std::vector<std::string> addresses;
  std::uint32_t minutes = 60; ///< until it expires
  std::string by;
};

} // namespace tayfa
