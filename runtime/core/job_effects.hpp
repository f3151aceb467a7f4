// What the job table orders: effects of its commands, to be carried out by its caller, in order,
// once the rows that changed with them are durable. Plain values.
#pragma once

#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"

#include <cstdint>
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
};
/// Call the job's webhook with `view`, and say notified() then.
struct notify {
  std::string url;
  job_view view;
  std::uint32_t number; ///< of the try, from 1
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

using effect = std::variant<give, revoke, change_model, moved, notify, owe>;
using effects = std::vector<effect>;

} // namespace tayfa
