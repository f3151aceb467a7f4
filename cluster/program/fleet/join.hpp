// Joins a head with a join string: the pod proves that it has the token, and is let in under its
// own key from then on.
#pragma once

#include "cluster/program/stop_button.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/pods/transport.hpp"
#include "runtime/pods_net/join_string.hpp"
#include "runtime/telemetry/log.hpp"

#include <chrono>
#include <string>

namespace tayfa {

struct joining_pod {
  pods::key_pair keys;
  std::uint64_t incarnation = 0;
  std::string name, release;
};

/// Waits for the head. errc::unauthorized when the token is used, expired or unknown, and the head
/// does not know the pod either; unavailable when the head did not answer within `patience`;
/// stopping when the button was pressed.
result<void> join_head(const pods::join_invitation&, const joining_pod&, const time_source&,
                       event_log&, stop_button&, std::chrono::milliseconds patience);

} // namespace tayfa
