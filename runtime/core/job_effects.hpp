// What the job table orders: effects of its commands, to be carried out by its caller, in order,
// once the rows that changed with them are durable. Plain values.
#pragma once

#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace tayfa {

/// Give this attempt to this worker. The members of a batch follow each other without anything in
/// between.
struct give {
  worker_ref worker;
  protocol::assign message;
  std::uint64_t stored_input = 0; ///< the input is in the store under this order; 0 = it is here
  std::uint64_t hand_over = 0;    ///< of a remote worker: the number of the decision that gave it
};
/// Tell this worker to stop this attempt; the table no longer waits for its result, only for its
/// end.
struct revoke {
  worker_ref worker;
  attempt_ref attempt;
};
/// Have this worker's engine replaced by one that loads this model.
struct change_model {
  worker_ref worker;
  std::string model;
};
/// The job's state changed (log, metrics, waiters). For a final state `view` is the answer, and
/// `watched` says that the one who submitted it asked to be told.
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
/// Bring the job's result to the platform that it was taken from, and say posted() then.
struct owe {
  job_view view;
  std::string origin;
  std::vector<chunk> chunks;
  bool refresh;         ///< the job asked for a fresh worker
  std::uint32_t number; ///< of the try, from 1
  milliseconds left;    ///< until nobody wants it any more
  bool whole = true;    ///< false: there were more chunks, which a reader has, or nobody
};

/// A purge is over: so many jobs were cancelled. `whole`: false when the pod stops before all of
/// them were; the others wait for the next start.
struct purged {
  std::uint64_t number;
  std::size_t removed;
  bool whole;
};

/// What became of a notify.
enum class hook_answer : std::uint8_t {
  delivered,
  failed,
  not_made ///< nothing was sent
};

using effect = std::variant<give, revoke, change_model, moved, notify, owe, purged>;
using effects = std::vector<effect>;

/// The result of taking back the steps of purges that could not be made durable.
struct purge_undone {
  std::set<job_id> jobs;                         ///< they wait as before
  std::map<std::uint64_t, std::size_t> of_purge; ///< how many of them, by the purge's number
  effects then;
};

} // namespace tayfa
