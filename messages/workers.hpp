// The queue's workers, its own and remote ones: how attempts reach them and what they report, and
// how many there are. Plain values that never leave the process.
#pragma once

#include "messages/error.hpp"
#include "messages/job.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

// ---- attempts: queue <-> gpu_worker, remote_workers --------------------------------------------

/// An attempt that a worker with a lasting name has from before.
struct attempt_held {
  attempt_ref attempt;
  std::uint32_t chunks = 0; ///< of its stream, reported so far
};
/// A worker can take attempts, or its facts have changed. One with capacity 0 takes none: it may
/// come before the pod is READY.
struct worker_ready {
  worker_ref worker;
  worker_facts facts;
  /// A new incarnation of a worker with a lasting name: all that it has of what the last one held.
  std::optional<std::vector<attempt_held>> holds{};
};
/// A worker with a lasting name has these attempts from before. Those that it may not have are
/// revoked.
struct attempts_claimed {
  worker_ref worker;
  std::vector<attempt_held> attempts;
};
/// An attempt that a worker with this lasting name held when the last process ended, or lost.
struct unclaimed_attempt {
  attempt_ref attempt;
  std::string lasting_name;
};
/// To the queue: unclaimed_attempts is to be sent, with the attempts that may still be claimed.
struct ask_unclaimed {};
struct unclaimed_attempts {
  std::vector<unclaimed_attempt> value;
};
/// An operator drains its slot: nothing more for this worker.
struct drain_worker {
  worker_ref worker;
};
/// The engine's report of an attempt: started, progress, partial, finished or stepped.
struct attempt_reported {
  worker_ref worker;
  protocol::upstream body;
};
struct worker_gone {
  worker_ref worker;
  error why;
  bool from_outside = false; ///< killed by a process outside the pod: no job is the cause
};
/// An attempt's terms that engines do not need.
struct attempt_terms {
  milliseconds timeout{0}; ///< its execution timeout
  std::string endpoint{};
};
/// All that one decision gives one worker: the members of a run, or to one that pulls the
/// answer to its request.
struct assign_attempts {
  worker_ref worker;
  std::vector<protocol::assign> bodies;
  std::uint64_t hand_over = 0;        ///< to one that pulls: its number, see worker_facts
  std::vector<attempt_terms> terms{}; ///< of each body, from the queue
};
struct revoke_attempt {
  worker_ref worker;
  attempt_ref attempt;
};
/// Replace the engine by one with this model, when nothing runs.
struct change_worker_model {
  worker_ref worker;
  std::string model;
};

struct durable_answer {
  result<void> how;
};
/// To the queue: answered when all that it has decided by now is durable.
struct await_durable {
  using answer = durable_answer;
};

// ---- numbers and lists -------------------------------------------------------------------------

/// RunPod's worker numbers (/health), of one kind of workers.
struct health_answer {
  std::uint32_t initializing = 0, idle = 0, running = 0, unhealthy = 0;
};
struct ask_health {
  using answer = health_answer;
};
/// A remote worker, for people (GET /workers).
struct remote_summary {
  std::string name, endpoint;
  std::string version;                   ///< of its SDK, as it says
  std::string device;                    ///< as its URLs say
  bool healthy = true;                   ///< false: it reported itself unfit
  std::vector<job_id> jobs;              ///< that it holds
  std::uint32_t wanted = 0;              ///< jobs that it waits for
  milliseconds silent{0};                ///< since its last call
  std::uint64_t completed = 0, lost = 0; ///< attempts
};
struct workers_answer {
  std::vector<remote_summary> value;
};
/// GET /workers: the remote workers.
struct list_workers {
  using answer = workers_answer;
};
/// From the queue: how many attempts this pod's own engines take at the same time, together.
struct slots_ready {
  std::uint32_t capacity = 0;
};

} // namespace tayfa
