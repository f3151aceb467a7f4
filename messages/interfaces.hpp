// Who may say what to whom: the typed interface of every actor, and the messages of the pod's
// inside.
//
// The only file below actors/ that includes CAF. Messages are plain values that never leave the
// process (what does is in messages/protocol.hpp), so none is serialised. Requests are imperative,
// facts are past tense. Every actor also understands exit_msg: "end in good order", and dies at
// once of exit_reason::kill.
//
//   supervisor ──starts, watches, stops──▶ queue, model_loader, health, ingress, runpod_worker,
//                                          remote_workers, gpu_worker (one per slot)
//   ingress ──submit_job, find_job, …──▶ queue ──assign_attempts──▶ gpu_worker ──▶ engine process
//   gpu_worker ──worker_ready, worker_said, worker_gone──▶ queue ──job_ended──▶ ingress
#pragma once

#include "messages/job.hpp"
#include "messages/job_requests.hpp"
#include "messages/origin.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

// Defined by the room that makes them; named here because interfaces carry them.
struct client_call;     ///< actors/ingress.hpp: an HTTP call and its reply
struct reader_event;    ///< actors/openai_calls.hpp: of the reader of an answer to OpenAI's API
struct client_left;     ///< actors/ingress.hpp: nobody waits for a held call any more
struct chunks_settled;  ///< actors/ingress.hpp: an answer with chunks was received, or was not
struct engine_news;     ///< actors/gpu_worker.hpp: what an engine process did
struct catalogue_news;  ///< actors/model_loader.hpp: the model files are checked
struct machine_checked; ///< actors/supervisor.hpp: the compatibility test is done
struct store_news;      ///< actors/queue.hpp: what the store or a webhook's receiver answered
struct store_opened;    ///< actors/supervisor.hpp: what the store still had
struct worker_call;     ///< actors/remote_workers.hpp: a remote worker's HTTP call and its reply
struct remote_news;     ///< actors/remote_workers.hpp: how an answer to a remote worker fared
struct platform_news;   ///< actors/runpod_worker.hpp: what RunPod's platform answered
struct model_granted;   ///< actors/model_loader.hpp: what a worker shall load

// ---- lifecycle ---------------------------------------------------------------------------------
struct start_pod {};
/// From a signal or a command. A second one forces: what still runs is killed.
struct stop_pod {
  std::string reason; ///< "SIGTERM"
};
struct http_bound {
  result<std::string> address;
};
struct http_closed {};
/// The pod moved, or became able or unable to serve. `ready` is what /ping says.
struct pod_moved {
  pod_state state = pod_state::CREATED;
  bool ready = false;
};
/// A worker's engine moved.
struct engine_moved {
  worker_ref worker;
  engine_state state = engine_state::NOT_STARTED;
  cause why = cause::start_requested;
  error reason; ///< when state is SHUTDOWN and it was not asked for
};
/// The queue's load crossed zero.
struct load_changed {
  bool waiting = false; ///< at least one job waits
  bool running = false; ///< at least one attempt runs
  bool owed = false;    ///< a job of a platform has not ended, or its result is not delivered
};
struct queue_drained {};
/// What a timer of an actor itself is about; `ticket` tells an old one from the current one.
struct due_timer {
  std::uint64_t ticket = 0;
  std::uint32_t topic = 0; ///< each actor's own enum
};
/// It may come too early, because the system's timers go on while the pod does not run: only
/// when_due() (actors/common.hpp) unpacks it.
struct timer {
  due_timer what;
  std::chrono::nanoseconds due{0}; ///< on the pod's clock; 0 = at once
};
/// Asked by health; answered at once by an actor that is not stuck.
struct are_you_there {};
struct here_i_am {};
struct part_stuck {
  std::string name;
};
/// From the queue: nothing can be made durable any more; the pod must end and recover.
struct store_failed {
  error why;
};
struct store_closed {};

// ---- slots: ingress -> supervisor --------------------------------------------------------------
struct ask_slots {};
struct slots_answer {
  std::vector<slot_line> value;
};
struct drain_one_slot {
  slot_id slot;
  bool on = true;
};
struct set_slot_count {
  std::uint32_t count = 0;
};
struct slot_answer {
  result<void> value;
};

// Who may see which job (`who`) has no default: no request about jobs can be made without it.
// ---- jobs: ingress <-> queue: messages/job_requests.hpp ----------------------------------------
/// Would a new job be taken, and how many attempts do this pod's own engines take together?
struct ask_intake {};
struct intake_answer {
  result<void> taken;
  std::uint32_t capacity = 0;
};
/// Take no more and give out no more; queue_drained follows when nothing runs.
struct drain_queue {};
/// The drain budget is over: put the running jobs back.
struct hand_back_jobs {};

// ---- attempts: queue <-> gpu_worker ------------------------------------------------------------
struct worker_ready {
  worker_ref worker;
  worker_facts facts;
};
/// An operator drains its slot: nothing more for this worker.
struct drain_worker {
  worker_ref worker;
};
/// What the engine said about an attempt: started, progress, partial or finished.
struct worker_said {
  worker_ref worker;
  protocol::upstream body;
};
struct worker_gone {
  worker_ref worker;
  error why;
  bool from_outside = false; ///< killed by somebody outside of the pod: no job is why
};
/// What one decision gives one worker, all of it: of a worker of this pod the members of a run, of
/// a remote one the answer to what it asked for.
struct assign_attempts {
  worker_ref worker;
  std::vector<protocol::assign> bodies;
  std::uint64_t hand_over = 0; ///< of a remote worker: its number, see worker_facts
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

// ---- slots: supervisor <-> gpu_worker
// ------------------------------------------------------------
/// `on`: take nothing more; worker_drained follows once nothing runs. Off again: be offered again.
struct drain_engine {
  worker_ref worker;
  bool on = true;
};
struct worker_drained {
  worker_ref worker;
};
/// What people see of a slot. Sent when the engine moved on, and with its heartbeats.
struct slot_news {
  worker_ref worker;
  std::string engine, device;
  std::string model;      ///< loaded, or being loaded
  std::string next_model; ///< for the next engine of this slot to load; empty = the default
  std::string pinned;     ///< CPUs, "0-3"; empty = any
  std::uint32_t running = 0;
  std::uint64_t completed = 0, lost = 0; ///< attempts of this incarnation
};
/// To health: the slot has no engine and shall have none.
struct slot_left {
  slot_id slot;
};

// ---- models: gpu_worker <-> model_loader -------------------------------------------------------
struct want_model {
  worker_ref worker;
  std::string model; ///< of the catalogue; empty or unknown = the default
};
struct model_loaded {
  worker_ref worker;
  std::string model;
  std::uint32_t load_ms = 0;
};
struct check_catalogue {};
struct catalogue_checked {
  result<std::size_t> models; ///< how many
};
/// An engine could not load it. From its worker to the loader, which looks at the file again, and
/// from there to the queue, unless another file has taken its place.
struct model_refused {
  worker_ref worker;
  std::string model;
  error why;
};
/// To the queue: what can be asked for.
struct models_known {
  std::vector<model_facts> models;
};

// ---- health ------------------------------------------------------------------------------------
/// From a worker, at every heartbeat of its engine.
struct engine_beat {
  worker_ref worker;
  protocol::heartbeat body;
};

// ---- interfaces --------------------------------------------------------------------------------

struct actor_directory;

/// Whoever takes attempts: a gpu_worker, or remote_workers for all remote ones.
using attempt_taker =
    caf::typed_actor<caf::reacts_to<assign_attempts>, caf::reacts_to<revoke_attempt>,
                     caf::reacts_to<change_worker_model>>;

using queue_actor = caf::typed_actor<
    caf::replies_to<submit_job>::with<submit_answer>, caf::replies_to<find_job>::with<job_answer>,
    caf::replies_to<cancel_job>::with<job_answer>,
    caf::replies_to<read_job_stream>::with<stream_answer>,
    caf::replies_to<count_jobs>::with<counts_answer>, caf::replies_to<retry_job>::with<job_answer>,
    caf::replies_to<drop_job>::with<job_answer>, caf::replies_to<purge_jobs>::with<purge_answer>,
    caf::replies_to<list_of_jobs>::with<list_answer>,
    caf::replies_to<inspect_job>::with<detail_answer>,
    caf::replies_to<ask_intake>::with<intake_answer>, caf::reacts_to<models_known>,
    caf::reacts_to<model_refused>, caf::reacts_to<drain_worker>, caf::reacts_to<store_news>,
    caf::reacts_to<worker_ready>, // a worker can take attempts (postponed until the pod is READY)
    caf::reacts_to<worker_said>, caf::reacts_to<worker_gone>, caf::reacts_to<pod_moved>,
    caf::reacts_to<drain_queue>, caf::reacts_to<hand_back_jobs>, caf::reacts_to<actor_directory>,
    caf::reacts_to<result_posted>, caf::replies_to<ask_origin_jobs>::with<origin_jobs>,
    caf::reacts_to<timer>, // the job table's next deadline
    caf::replies_to<are_you_there>::with<here_i_am>>;

using ingress_actor =
    caf::typed_actor<caf::reacts_to<client_call>, // postponed until the actor has the directory
                     caf::reacts_to<job_ended>, caf::reacts_to<job_streamed>,
                     caf::reacts_to<client_left>, caf::reacts_to<chunks_settled>,
                     caf::reacts_to<reader_event>, caf::reacts_to<pod_moved>,
                     caf::reacts_to<load_changed>, caf::reacts_to<actor_directory>,
                     caf::reacts_to<timer>, // the next held call is due
                     caf::replies_to<are_you_there>::with<here_i_am>>;

using gpu_worker_actor = caf::typed_actor<
    caf::reacts_to<engine_news>, caf::reacts_to<model_granted>, caf::reacts_to<assign_attempts>,
    caf::reacts_to<revoke_attempt>, caf::reacts_to<change_worker_model>,
    caf::reacts_to<drain_engine>,
    caf::reacts_to<actor_directory>, // the queue was restarted: what runs here is void
    caf::reacts_to<timer>>;

using model_loader_actor =
    caf::typed_actor<caf::reacts_to<check_catalogue>, caf::reacts_to<catalogue_news>,
                     caf::replies_to<want_model>::with<model_granted>, // postponed until the
                                                                       // catalogue is checked
                     caf::reacts_to<model_loaded>, caf::reacts_to<model_refused>,
                     caf::reacts_to<actor_directory>,
                     caf::replies_to<are_you_there>::with<here_i_am>>;

/// RunPod's six worker numbers (/health).
struct ask_health {};
struct health_answer {
  std::uint32_t initializing = 0, idle = 0, running = 0, unhealthy = 0;
};

/// The remote workers, one line each (GET /workers).
struct ask_workers {};
struct workers_answer {
  std::vector<remote_line> value;
};
/// From the queue: how many attempts this pod's own engines take at the same time, together.
struct slots_ready {
  std::uint32_t capacity = 0;
};

using health_actor = caf::typed_actor<caf::reacts_to<engine_moved>, caf::reacts_to<engine_beat>,
                                      caf::reacts_to<slot_left>, caf::reacts_to<pod_moved>,
                                      caf::reacts_to<actor_directory>, caf::reacts_to<timer>,
                                      caf::replies_to<ask_health>::with<health_answer>>;

/// The other workers of the queue: they pull their jobs by RunPod's worker protocol.
using remote_workers_actor =
    caf::typed_actor<caf::reacts_to<worker_call>, caf::reacts_to<assign_attempts>,
                     caf::reacts_to<revoke_attempt>, caf::reacts_to<change_worker_model>,
                     caf::reacts_to<remote_news>, caf::reacts_to<pod_moved>,
                     caf::reacts_to<actor_directory>, caf::reacts_to<timer>,
                     caf::replies_to<ask_health>::with<health_answer>,
                     caf::replies_to<ask_workers>::with<workers_answer>,
                     caf::replies_to<are_you_there>::with<here_i_am>>;

/// This pod as a worker of RunPod's platform.
using runpod_worker_actor =
    caf::typed_actor<caf::reacts_to<deliver_result>, caf::reacts_to<origin_said>,
                     caf::reacts_to<platform_news>, caf::reacts_to<pod_moved>,
                     caf::reacts_to<slots_ready>, caf::reacts_to<drain_origin>,
                     caf::reacts_to<actor_directory>, caf::reacts_to<timer>,
                     caf::replies_to<are_you_there>::with<here_i_am>>;

using supervisor_actor = caf::typed_actor<
    caf::reacts_to<start_pod>, caf::reacts_to<stop_pod>, caf::reacts_to<http_bound>,
    caf::reacts_to<http_closed>, caf::reacts_to<machine_checked>, caf::reacts_to<catalogue_checked>,
    caf::reacts_to<engine_moved>, caf::reacts_to<load_changed>, caf::reacts_to<queue_drained>,
    caf::reacts_to<origin_drained>, caf::reacts_to<part_stuck>, caf::reacts_to<store_opened>,
    caf::reacts_to<store_closed>, caf::reacts_to<store_failed>, caf::reacts_to<slot_news>,
    caf::reacts_to<worker_drained>, caf::replies_to<ask_slots>::with<slots_answer>,
    caf::replies_to<drain_one_slot>::with<slot_answer>,
    caf::replies_to<set_slot_count>::with<slot_answer>, caf::reacts_to<timer>>;

/// Everybody an actor may need to talk to. Sent to all whenever a member was started anew.
struct actor_directory {
  queue_actor queue;
  ingress_actor ingress;
  model_loader_actor loader;
  health_actor health;
  supervisor_actor supervisor;
  remote_workers_actor remote;
  runpod_worker_actor runpod; ///< null where the pod is no worker of RunPod's platform
};

} // namespace tayfa

// No message of the inside is ever serialised.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::client_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::engine_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::catalogue_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::machine_checked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::model_granted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::start_pod)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::stop_pod)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::http_bound)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::http_closed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::pod_moved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::engine_moved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::load_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::queue_drained)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::timer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::are_you_there)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::here_i_am)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::part_stuck)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::submit_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::submit_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::find_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::cancel_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::job_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::read_job_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::stream_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::count_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::counts_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::job_ended)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::job_streamed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::client_left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::reader_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::chunks_settled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::ask_intake)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::intake_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drain_queue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::hand_back_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::worker_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::worker_said)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::worker_gone)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::assign_attempts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::revoke_attempt)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::want_model)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::model_loaded)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::check_catalogue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::catalogue_checked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::engine_beat)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::actor_directory)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::ask_health)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::health_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::store_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::store_opened)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::store_failed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::store_closed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::ask_slots)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::slots_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drain_one_slot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::set_slot_count)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::slot_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::retry_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drop_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::purge_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::purge_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::list_of_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::list_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::inspect_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::detail_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drain_worker)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::change_worker_model)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::models_known)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::model_refused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drain_engine)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::worker_drained)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::slot_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::slot_left)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::worker_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::remote_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::platform_news)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::origin_said)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::deliver_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::result_posted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::ask_origin_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::origin_jobs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::drain_origin)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::origin_drained)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::ask_workers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::workers_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::slots_ready)
