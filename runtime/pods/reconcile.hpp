// Reconciliation: what becomes of an attempt when a pod says hello, decided for all of its attempts
// in one step by one total table. No combination of what the head thinks and what the pod says is
// left to chance.
//
// The queue makes the head's view of each attempt and carries out the head's step; the pod gets the
// verdict. Only the latest holder of an attempt, by its key, is the pod that these rows speak of:
// for any other pod the view is `elsewhere`, so that a pod which lies about attempts that it never
// had is told to drop them.
#pragma once

#include "messages/pod_protocol.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace tayfa::pods {

/// How the head sees an attempt that a pod names, or that it thinks the pod has.
enum class head_view : std::uint8_t {
  held_accepted, ///< this pod holds it, and has accepted it
  held_sent,     ///< this pod was given it in this incarnation, and has not accepted it yet
  held_earlier,  ///< an earlier incarnation of this pod holds it
  unclaimed,     ///< this pod held it when the head ended; the claim window is open
  queued,        ///< it waits with this number, and this pod had it last
  elsewhere,     ///< another holds it, or its number is higher, or this pod never had it
  ended,         ///< the job is final
  cancelling,    ///< the job was cancelled, and this attempt has not ended
  unknown,       ///< no such job here: erased, or of another store
};
inline constexpr std::size_t head_views = 9;

/// How the pod sees it.
enum class pod_view : std::uint8_t { absent, waiting, running, finished };
inline constexpr std::size_t pod_views = 4;

/// What the head does.
enum class head_step : std::uint8_t {
  nothing,
  hold,          ///< the pod holds it from now on, under this number
  lose,          ///< the attempt is lost: requeue, at the cost of an attempt
  give_back,     ///< it never began: requeue at no cost
  wait,          ///< until the claim window closes; then it is lost
  end_cancelled, ///< finish as cancelled; a result is refused
  count_fenced,  ///< a late result, which changes nothing
};

struct reconciliation {
  head_step head = head_step::nothing;
  /// None for an attempt that the pod does not have.
  std::optional<pod_protocol::verdict> pod;
  bool operator==(const reconciliation&) const = default;
};

reconciliation reconcile(head_view, pod_view);
pod_view view_of(pod_protocol::stage);

std::string_view to_string(head_view);
std::string_view to_string(pod_view);

} // namespace tayfa::pods
