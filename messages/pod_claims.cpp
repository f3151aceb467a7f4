#include "messages/pod_claims.hpp"

#include <array>

namespace tayfa::pods {

namespace {

using step = head_step;
using enum pod_protocol::verdict;

constexpr reconciliation absent(step s) {
  return {s, std::nullopt};
}
constexpr reconciliation here(step s, pod_protocol::verdict v) {
  return {s, v};
}

using row = std::array<reconciliation, pod_views>;

constexpr row held(step when_absent) {
  return {absent(when_absent), here(step::hold, keep), here(step::hold, keep),
          here(step::hold, report)};
}

/// In the order of head_view; each row in the order of pod_view.
constexpr std::array<row, head_views> table{
    held(step::lose),      // held_accepted
    held(step::give_back), // held_sent
    held(step::lose),      // held_earlier
    held(step::wait),      // unclaimed
    held(step::nothing),   // queued: what was begun here is worth more than a new attempt
    row{absent(step::nothing), here(step::nothing, drop), here(step::nothing, drop),
        here(step::count_fenced, drop)}, // elsewhere
    row{absent(step::nothing), here(step::nothing, drop), here(step::nothing, drop),
        here(step::nothing, forget)}, // ended
    row{absent(step::end_cancelled), here(step::hold, cancel), here(step::hold, cancel),
        here(step::end_cancelled, forget)}, // cancelling
    row{absent(step::nothing), here(step::nothing, drop), here(step::nothing, drop),
        here(step::nothing, drop)}, // unknown
};

} // namespace

reconciliation reconcile(head_view head, pod_view pod) {
  return table[static_cast<std::size_t>(head)][static_cast<std::size_t>(pod)];
}

pod_view view_of(pod_protocol::stage at) {
  switch (at) {
  case pod_protocol::stage::waiting: return pod_view::waiting;
  case pod_protocol::stage::running: return pod_view::running;
  case pod_protocol::stage::finished: return pod_view::finished;
  }
  return pod_view::absent;
}

std::string_view to_string(head_view v) {
  switch (v) {
  case head_view::held_accepted: return "held_accepted";
  case head_view::held_sent: return "held_sent";
  case head_view::held_earlier: return "held_earlier";
  case head_view::unclaimed: return "unclaimed";
  case head_view::queued: return "queued";
  case head_view::elsewhere: return "elsewhere";
  case head_view::ended: return "ended";
  case head_view::cancelling: return "cancelling";
  case head_view::unknown: return "unknown";
  }
  return "?";
}

std::string_view to_string(pod_view v) {
  switch (v) {
  case pod_view::absent: return "absent";
  case pod_view::waiting: return "waiting";
  case pod_view::running: return "running";
  case pod_view::finished: return "finished";
  }
  return "?";
}

} // namespace tayfa::pods
