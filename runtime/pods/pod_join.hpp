// The pod's side of joining: with the key of a join token, it asks the head to trust a key that it
// has made for itself. Once that is answered the token is of no more use to it.
//
// Owner: the connection's owner, before the pod's session begins. Not thread safe, no clock, no
// sockets. The pod's own key pair is on its disk before it asks; after an answer that was lost it
// tries that key first.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/pods/link_end.hpp"
#include "runtime/pods/transport.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace tayfa::pods {

struct join_request {
  std::string key; ///< public, that the pod has made
  std::string name, release;
};

/// How the request has ended: the head's id, or why it was not granted. errc::unauthorized: the
/// token is used, expired or unknown, and another try would not help; else errc::unavailable.
using join_answer = result<std::string>;

class pod_join {
 public:
  using send_function = std::function<sent(const link_message&)>;

  pod_join(std::uint64_t incarnation, join_request, send_function);
  /// The answer, when this event brings it. Then the owner closes the connection.
  std::optional<join_answer> on(moment now, const connector_event&);
  /// The head is connected and does not answer.
  std::optional<join_answer> expire(moment now) const;
  std::optional<moment> next_deadline() const { return until_; }

 private:
  void flush(moment now);

  join_request request_;
  send_function send_;
  receive_budget budget_;
  pod_end link_;
  std::optional<moment> until_;
};

} // namespace tayfa::pods
