// The interface of every actor: one list of the messages that it accepts. CAF's typed actors
// and the types that CAF may carry derive from these lists.
//
// The only file below actors/ that includes CAF. Messages are plain values, one file a topic, that
// never leave the process (what does is in messages/protocol.hpp), so none is serialised. Requests
// are imperative and name their answer, facts are past tense. Every actor also understands
// exit_msg: "end in good order", and dies at once of exit_reason::kill.
//
//   supervisor ──starts, watches, stops──▶ queue, model_loader, health, ingress, runpod_worker,
//                                          remote_workers, gpu_worker (one per slot)
//   ingress ──submit_job, find_job, …──▶ queue ──assign_attempts──▶ gpu_worker ──▶ engine process
//   gpu_worker ──worker_ready, attempt_reported, worker_gone──▶ queue ──job_ended──▶ ingress
//
// A head has the actor pod_gateway beside these; a pod that has a head has no queue, no
// remote_workers and no runpod_worker, and head_link is the dispatcher of its workers:
//
//   queue ──assign_attempts──▶ pod_gateway ══link══▶ head_link ──assign_attempts──▶ gpu_worker
#pragma once

#include "messages/job_requests.hpp"
#include "messages/link.hpp"
#include "messages/message_list.hpp"
#include "messages/models.hpp"
#include "messages/origin.hpp"
#include "messages/pod.hpp"
#include "messages/pod_claims.hpp"
#include "messages/slots.hpp"
#include "messages/timer.hpp"
#include "messages/workers.hpp"

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace tayfa {

// Defined by the room that makes them; named here because interfaces carry them.
struct client_call;         ///< actors/ingress.hpp: an HTTP call and its reply
struct reader_event;        ///< actors/openai_calls.hpp: of the reader of an answer to OpenAI's API
struct client_left;         ///< actors/ingress.hpp: no client waits for a held call any more
struct heads_event;         ///< actors/other_heads.hpp: about calls from head to head
struct chunks_settled;      ///< actors/ingress.hpp: an answer with chunks was received, or was not
struct engine_reported;     ///< actors/gpu_worker.hpp: what an engine process did
struct catalogue_inspected; ///< actors/model_loader.hpp: the model files are checked
struct machine_checked;     ///< actors/supervisor.hpp: the compatibility test is done
struct store_replied;       ///< actors/queue.hpp: the end of something that the store was asked
struct webhook_answered;    ///< actors/queue.hpp: what a webhook's receiver answered
struct store_opened;        ///< actors/supervisor.hpp: what the store still had
struct worker_call;       ///< actors/remote_workers.hpp: a remote worker's HTTP call and its reply
struct poll_settled;      ///< actors/remote_workers.hpp: a remote worker has its answer, or left
struct platform_replied;  ///< actors/runpod_worker.hpp: what RunPod's platform answered
struct listener_reported; ///< actors/pod_gateway.hpp: an event of the connections of pods
struct trust_reported;    ///< actors/pod_gateway.hpp: the keys that are let in
struct link_reported;     ///< actors/head_link.hpp: an event of the connection to the head
struct results_replied;   ///< actors/head_link.hpp: the disk has done something with results

struct actor_directory;

// ---- one list per actor ------------------------------------------------------------------------

/// The part of an actor that runs attempts: a gpu_worker, remote_workers for all remote ones, or
/// pod_gateway for those of all pods.
using attempt_messages = message_list<assign_attempts, revoke_attempt, change_worker_model>;

/// The part of an actor that gives this pod's workers their attempts: the queue, or head_link.
using dispatcher_messages = message_list<worker_ready, attempt_reported, worker_gone, drain_worker,
                                         models_known, model_refused, pod_moved, drain_queue,
                                         hand_back_jobs, actor_directory, timer, liveness_probe>;

using queue_messages =
    message_list<submit_job, find_job, cancel_job, read_job_stream, count_jobs, retry_job, drop_job,
                 purge_jobs, list_jobs, inspect_job, ask_intake, chunks_received, models_known,
                 model_refused, drain_worker, store_replied, webhook_answered,
                 worker_ready, // one that takes attempts is postponed until the pod is READY
                 attempts_claimed, ask_unclaimed, pods::reconcile_pod, attempt_reported,
                 worker_gone, pod_moved, drain_queue, hand_back_jobs, actor_directory,
                 result_posted, ask_origin_jobs, await_durable,
                 timer, // the job table's next deadline
                 liveness_probe>;

using ingress_messages =
    message_list<client_call, // postponed until the actor has the directory
                 job_ended, job_streamed, client_left, chunks_settled, reader_event, heads_event,
                 pod_moved, load_changed, link_moved, actor_directory,
                 timer, // the next held call is due
                 liveness_probe>;

using gpu_worker_messages =
    message_list<engine_reported, model_granted, assign_attempts, revoke_attempt,
                 change_worker_model, drain_engine,
                 actor_directory, // with a new queue: the attempts that run here are void
                 timer>;

using model_loader_messages =
    message_list<check_catalogue, catalogue_inspected,
                 want_model, // postponed until the catalogue is checked
                 model_loaded, model_refused, actor_directory, liveness_probe>;

using health_messages = message_list<engine_moved, engine_beat, slot_left, pod_moved,
                                     actor_directory, timer, ask_health>;

/// remote_workers serves the workers that pull their jobs by RunPod's worker protocol.
using remote_workers_messages =
    message_list<worker_call, // postponed until the queue has said what may be claimed
                 unclaimed_attempts, assign_attempts, revoke_attempt, change_worker_model,
                 poll_settled, pod_moved, actor_directory, timer, ask_health, list_workers,
                 liveness_probe>;

/// pod_gateway serves the pods that are linked to this head.
using pod_gateway_messages =
    message_list<listener_reported, trust_reported, assign_attempts, revoke_attempt,
                 change_worker_model, pod_moved, list_pods, drain_pod, list_trust, change_trust,
                 make_join_text, actor_directory, timer, ask_health, liveness_probe>;

/// head_link takes the place of the queue in a pod that has a head.
using head_link_messages =
    message_list<worker_ready, attempt_reported, worker_gone, drain_worker, models_known,
                 model_refused, pod_moved, drain_queue, hand_back_jobs, link_reported,
                 results_replied, actor_directory, timer, liveness_probe>;

/// runpod_worker makes this pod a worker of RunPod's platform.
using runpod_worker_messages =
    message_list<deliver_result, origin_progress, platform_replied, pod_moved, slots_ready,
                 drain_origin, actor_directory, timer, liveness_probe>;

using supervisor_messages =
    message_list<start_pod, stop_pod, http_bound, http_closed, machine_checked, catalogue_checked,
                 engine_moved, load_changed, queue_drained, origin_drained, part_stuck,
                 store_opened, store_closed, store_failed, link_failed, slot_status, worker_drained,
                 list_slots, drain_slot, resize_slots, timer>;

// ---- CAF ---------------------------------------------------------------------------------------

namespace detail {
template <class Message>
struct signature_of {
  using type = caf::reacts_to<Message>;
};
template <request_message Request>
struct signature_of<Request> {
  using type = typename caf::replies_to<Request>::template with<typename Request::answer>;
};
template <class List>
struct actor_of;
template <class... Message>
struct actor_of<message_list<Message...>> {
  using type = caf::typed_actor<typename signature_of<Message>::type...>;
};
} // namespace detail

template <class List>
using actor_of = typename detail::actor_of<List>::type;

using attempt_executor = actor_of<attempt_messages>;
using dispatcher_actor = actor_of<dispatcher_messages>;
using queue_actor = actor_of<queue_messages>;
using ingress_actor = actor_of<ingress_messages>;
using gpu_worker_actor = actor_of<gpu_worker_messages>;
using model_loader_actor = actor_of<model_loader_messages>;
using health_actor = actor_of<health_messages>;
using remote_workers_actor = actor_of<remote_workers_messages>;
using runpod_worker_actor = actor_of<runpod_worker_messages>;
using pod_gateway_actor = actor_of<pod_gateway_messages>;
using head_link_actor = actor_of<head_link_messages>;
using supervisor_actor = actor_of<supervisor_messages>;

/// The actors of the pod, for each of them. The supervisor sends it to all of them whenever it has
/// started one anew.
struct actor_directory {
  dispatcher_actor dispatcher; ///< the queue, or head_link
  queue_actor queue;           ///< null in a pod that has a head
  ingress_actor ingress;
  model_loader_actor loader;
  health_actor health;
  supervisor_actor supervisor;
  remote_workers_actor remote; ///< null in a pod that has a head
  runpod_worker_actor runpod;  ///< null where the pod is no worker of RunPod's platform
  pod_gateway_actor pods;      ///< null where no pods may link
};

template <class Message>
concept inside_message =
    carries<queue_messages, Message> || carries<ingress_messages, Message> ||
    carries<gpu_worker_messages, Message> || carries<model_loader_messages, Message> ||
    carries<health_messages, Message> || carries<remote_workers_messages, Message> ||
    carries<runpod_worker_messages, Message> || carries<pod_gateway_messages, Message> ||
    carries<head_link_messages, Message> || carries<supervisor_messages, Message>;

} // namespace tayfa

/// CAF carries these types without being able to serialise them (CAF_ALLOW_UNSAFE_MESSAGE_TYPE).
template <class Message>
  requires tayfa::inside_message<Message>
struct caf::allowed_unsafe_message_type<Message> : std::true_type {};
