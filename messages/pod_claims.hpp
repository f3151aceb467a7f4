// Claims of a pod that says hello: the question to the queue, its answer, and reconciliation, one
// total table over all that the head may think and the pod may say.
//
// The registry of pods (runtime/pods) asks with all that the pod has, the queue decides about all
// of it in one step: it makes its view of each attempt, carries out the head's step of the table,
// and answers with the pod's verdicts once the step is durable. Only the latest holder of an
// attempt, by its key, is the pod that the rows speak of: for any other pod the view is
// `elsewhere`, so that a pod that lies about attempts which it never had gets `drop`.
#pragma once

#include "messages/pod_values.hpp"
#include "messages/workers.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// The head's part in a decision.
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

// ---- the question and its answer ----------------------------------------------------------------

/// The worker of all results of a hello whose own workers have ended: it holds what was claimed for
/// it, and is never given anything.
inline constexpr slot_id kept_slot{0xffff'ffff};

/// An attempt of a pod's inventory.
struct claim {
  attempt_ref attempt;
  pod_view at = pod_view::waiting;
  worker_ref worker; ///< that is to hold it, if the queue's step says so
  std::uint64_t steps = 0;
  std::uint32_t chunks_from = 1; ///< as in pod_protocol::inventory_entry
};
/// An attempt that the pod was given, and does not have.
struct absent_attempt {
  attempt_ref attempt;
  worker_ref worker;
  head_view view = head_view::held_sent; ///< as far as the registry knows
};

/// The queue's decision about a claim.
struct claim_decision {
  pod_protocol::verdict verdict = pod_protocol::verdict::drop;
  bool unknown = false; ///< no such job here
};
/// The queue's answer, once what it decided is durable.
struct pod_reconciled {
  node_id node;
  std::uint64_t session = 0;
  std::vector<claim_decision> decisions; ///< of the claims, in their order
};

/// A pod has said hello. The queue deals with all of it in one step: it takes the workers in,
/// applies reconcile() to every claim and to every absent attempt (with the registry's view where
/// the queue only knows that this pod holds it), loses what is left with the workers that are gone,
/// and answers pod_reconciled. An attempt that it gave to one of the workers and that is in neither
/// list is still on its way to the registry, and stays as it is.
struct reconcile_pod {
  using answer = pod_reconciled;
  node_id node;
  std::uint64_t session = 0;
  std::string key; ///< the pod's
  std::vector<worker_ready> workers;
  std::vector<worker_ref> gone;
  std::vector<claim> claims;
  std::vector<absent_attempt> absent;
};
} // namespace tayfa::pods
