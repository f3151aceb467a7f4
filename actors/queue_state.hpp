// The part of the queue that outlives its actor, for those who keep it: the job table, and effects
// that no queue has carried out yet. They make it, restore it and start queues on it; only the
// queue's own files see its members (actors/queue.hpp).
#pragma once

#include "messages/interfaces.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/job_limits.hpp"
#include "runtime/store/store.hpp"

#include <memory>

namespace tayfa {

struct pod_context;
struct queue_state;

std::shared_ptr<queue_state> make_queue_state(job_limits);
/// The jobs of earlier processes, before a queue is started. Returns how many there are.
job_counts restore(queue_state&, moment now, const job_store::recovered&);
/// A queue as a child of this actor.
queue_actor spawn_queue(caf::local_actor& parent, const pod_context&, std::shared_ptr<queue_state>);
/// A queue without a parent.
queue_actor spawn_queue(caf::actor_system&, const pod_context&, std::shared_ptr<queue_state>);

} // namespace tayfa
