// The effects of the job table's commands. Its caller carries them out, in order, once the rows
// that changed with them are durable. Where there is a message for an effect, the effect is that
// message. Plain values.
#pragma once

#include "messages/job.hpp"
#include "messages/origin.hpp"
#include "messages/protocol.hpp"
#include "messages/workers.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace tayfa {

/// Give this attempt to this worker. The members of a batch follow each other without anything in
/// between.
struct assign_attempt {
  worker_ref worker;
  protocol::assign message;
  std::uint64_t stored_input = 0; ///< the input is in the store under this order; 0 = it is here
  std::uint64_t hand_over = 0;    ///< to one that pulls: the number of the decision that gave it
  attempt_terms terms{};
};
/// The job's state changed (log, metrics, waiters). For a final state `view` is the answer, and
/// `watched` says that the submitter waits for the end.
struct moved {
  job_view view;
  job_state from;
  cause why;
  bool watched;
  std::string endpoint; ///< of the job
};
/// Call the job's webhook with `view`, and say notified() then.
struct notify {
  std::string url;
  job_view view;
  std::uint32_t number; ///< of the try, from 1
  std::uint64_t call;   ///< to be named in notified()
};
/// A purge is over: so many jobs were cancelled. `whole`: false when the pod stops before all of
/// them were; the others wait for the next start.
struct purged {
  std::uint64_t number;
  std::size_t removed;
  bool whole;
};

/// Outcome of a webhook call.
enum class hook_answer : std::uint8_t {
  delivered,
  failed,
  not_made ///< nothing was sent
};

/// revoke_attempt: the table no longer waits for the attempt's result, only for its end.
/// deliver_result: delivery_answered() says later how it went.
using effect = std::variant<assign_attempt, revoke_attempt, change_worker_model, moved, notify,
                            deliver_result, purged>;
using effects = std::vector<effect>;
/// The job that it is about; the empty id for effects of no job.
const job_id& job_of(const effect&);

/// The result of taking back the steps of purges that could not be made durable.
struct purge_undone {
  std::set<job_id> jobs;                         ///< they wait as before
  std::map<std::uint64_t, std::size_t> of_purge; ///< how many of them, by the purge's number
  effects then;
};

} // namespace tayfa
