// RunPod's public API (https://docs.runpod.io/serverless/endpoints) as values: what a client can
// ask, and the answer.
//
// Parsing and rendering are pure functions; the same ones serve real sockets and the simulation.
// JSON is parsed once, with depth 64, and duplicate keys refused in the objects that we read
// ourselves.
#pragma once

#include "messages/job_requests.hpp"
#include "messages/link.hpp"
#include "messages/slots.hpp"
#include "messages/workers.hpp"
#include "runtime/api/gate.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa::api {

/// A request as it came from the wire, within the wire's limits.
struct request {
  std::string method; ///< upper case
  std::string target; ///< origin form, percent-encoded: "/v2/tayfa/run?x=1"; or "*"
  std::string content_type;
  std::string body;
  std::string idempotency_key{}; ///< the header Idempotency-Key, as it was sent
  std::string last_event_id{};   ///< the header Last-Event-ID
  principal who{};               ///< as the gate said
};

/// A body that goes on after its head has left. The sender pulls it piece by piece, from one
/// thread, so a slow reader costs no memory here: what it did not pull yet stays with the source.
class body_source {
 public:
  struct piece {
    std::string text;   ///< empty and not the end: nothing yet
    bool ended = false; ///< nothing follows; `text` is the last of it
  };

  body_source() = default;
  virtual ~body_source() = default;
  body_source(const body_source&) = delete;
  body_source& operator=(const body_source&) = delete;

  /// Called once, before the first next(). From then on `wake` is called, from any thread, when
  /// next() may have more; it must only take note. Not called any more once the source is gone.
  virtual void on_more(std::function<void()> wake) = 0;
  /// Returns the available bytes, about `room` at most.
  virtual piece next(std::size_t room) = 0;
  /// Sent when nothing else was sent for a while, so that both sides learn of a dead line.
  virtual std::string_view heartbeat() const = 0;
  /// Sent last when the server itself ends the body early: it stops, or the key is not known any
  /// more.
  virtual std::string cut_short() { return {}; }
};

struct response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers; ///< Retry-After, Allow
  std::shared_ptr<body_source> stream{};                    ///< in place of `body`
  /// Follows `body`: large texts, which leave without being copied, and what is around them.
  std::vector<shared_text> more{};

  std::size_t body_size() const;
  std::string whole_body() const; ///< in one piece, for who has to have it so
};

struct limits {
  std::size_t run_body_bytes = std::size_t{10} << 20;     ///< RunPod: 10 MB
  std::size_t runsync_body_bytes = std::size_t{20} << 20; ///< RunPod: 20 MB
  /// RunPod: 20 MB of a worker's result and 1 MB of a chunk, and room for what is around them.
  std::size_t result_body_bytes = (std::size_t{20} << 20) + (std::size_t{64} << 10);
  std::size_t chunk_body_bytes = (std::size_t{1} << 20) + (std::size_t{64} << 10);
  std::chrono::milliseconds runsync_wait{90'000}; ///< default of ?wait=, also of /status-sync
  std::chrono::milliseconds openai_wait{600'000}; ///< a call of OpenAI's API ends after so long
  std::vector<std::string> endpoints{"tayfa"};
  /// The operator's verdict on a webhook's URL (errc::webhook_refused); empty allows every one.
  std::function<result<void>(const std::string&)> webhook_allowed{};
  /// The access gate; null allows every client everything. Outlives the server.
  gate* access_gate = nullptr;
  std::string health_path = "/ping"; ///< answered like /ping, beside it (HEALTH_CHECK_PATH)
};

// Most routes ask another actor for what they name: such a call is that actor's request
// (messages/job_requests.hpp, link.hpp, slots.hpp, workers.hpp), and answer_to() below renders its
// answer.
// The others:

struct submit {
  job_access who;
  job_request job;
  std::chrono::milliseconds wait{0}; ///< 0 for /run
};
/// /openai/v1/…: the job is handed to a worker as RunPod does it, and what it makes is the answer.
/// `streams`: as server-sent events, as it is made.
struct openai {
  job_access who;
  job_request job;
  bool streams = false;
};
/// ?ttl= keeps an ended job's result for so long from now, up to the longest time to live
/// (`ask.keep`).
struct status {
  find_job ask;
  /// /status-sync: answered when the job has ended, at the latest after so long; none = at once.
  std::optional<std::chrono::milliseconds> wait{};
};
/// Answered when there are chunks or the job has ended, at the latest after `wait`; none = the
/// caller did not say, and waits as long as the pod's configuration says.
struct stream {
  read_job_stream ask;
  std::optional<std::chrono::milliseconds> wait{};
};
/// GET /events?job=&after=: server-sent events (HTML Living Standard, 9.2).
struct events {
  job_access who;
  job_id job;                         ///< empty = everything
  std::optional<std::uint64_t> after; ///< the number of the last event seen; empty = from now on
};
/// GET /requests?state=&limit=&after=: the jobs of this endpoint, newest first (RunPod documents
/// the route, not its shape).
struct list_requests {
  list_jobs ask;
};
/// GET /openapi.json.
struct describe {};

// The routes of RunPod's platform for its workers (job-take, job-take-batch, job-stop, ping,
// job-done, job-stream), served to any such worker. `worker` is the name the worker gave itself in
// the path, in the format of an id.
struct worker_place {
  std::string endpoint;
  std::string worker;
  std::string device; ///< ?gpu=, as it says; may be empty
  std::string key{};  ///< name of the API key that the call came with; empty = none was asked for
  bool any_worker = true; ///< it may speak for every worker: an operator, or there are no keys
};
/// A long poll: answered with jobs, or 204 when it was held long enough.
struct take_jobs {
  worker_place from;
  std::uint32_t wanted = 1;
  bool batch = false;       ///< answered with an array
  bool in_progress = false; ///< it says that it is at some job
};
/// A long poll: answered with the ids of jobs that the worker shall stop.
struct poll_stops {
  worker_place from;
};
struct worker_ping {
  worker_place from;
  std::vector<std::string> jobs; ///< that it holds, as it was given them
  std::string version;           ///< of its SDK
  std::string unfit;             ///< "check: reason" when it reports itself unhealthy
};
/// A progress report, or the end of an attempt: RunPod's job-done body, read.
struct worker_result {
  worker_place from;
  std::string job; ///< as the worker was given it
  enum class what : std::uint8_t { progress, completed, failed } kind = what::completed;
  shared_text output; ///< JSON text, of progress and completed
  std::string error;  ///< of failed, as the worker wrote it
  bool is_stream = false;
  bool stop_pod = false;
};
struct worker_chunk {
  worker_place from;
  std::string job;
  shared_text output; ///< JSON text
};

struct health {
  job_access who;
};
struct ping {};
struct ready {};  ///< /ready
struct scrape {}; ///< /metrics

using call =
    std::variant<submit, status, stream, cancel_job, retry_job, drop_job, purge_jobs, list_jobs,
                 inspect_job, events, list_slots, drain_slot, resize_slots, list_requests,
                 list_workers, list_pods, drain_pod, list_trust, change_trust, make_join_text,
                 describe, take_jobs, poll_stops, worker_ping, worker_result, worker_chunk, health,
                 ping, ready, scrape, openai>;
/// Those of remote workers.
using worker_request =
    std::variant<take_jobs, poll_stops, worker_ping, worker_result, worker_chunk>;

struct route; ///< runtime/api/route.hpp

/// Result of reading a request's head: everything needed before its body is read.
struct route_match {
  scope needs = scope::open;
  std::string_view route;           ///< the row's path; static
  std::string endpoint;             ///< resolved
  std::string worker{};             ///< of a worker's route: the name in its path
  std::size_t body_bytes = 0;       ///< the largest body it may carry; 0 for routes without one
  std::shared_ptr<api::route> at{}; ///< for parse(), so that the target is read once
};
/// Or the refusal that needs no body (unknown route or endpoint 404, wrong method 405 + Allow), so
/// that no client uploads 10 MB to learn about a typing error.
tl::expected<route_match, response> read_head(std::string_view method, std::string_view target,
                                              const limits&);

/// The call, or the refusal: unknown route or endpoint 404, wrong method 405 + Allow, bad JSON or
/// fields 400 … or the answer that needs no call: 204 to OPTIONS, and to HEAD of a worker's take.
/// Takes the request by value: the body that is moved in becomes the job's input without a second
/// copy.
tl::expected<call, response> parse(request, const limits&);
/// Likewise, of the route that its head named.
tl::expected<call, response> parse(request, route&&, const limits&);

/// The consequence of refusing a body larger than its route allows: a worker's result ends its job
/// as FAILED; otherwise none.
std::optional<call> result_lost(route&&, const principal&, const limits&);

// ---- answers, in RunPod's shapes ---------------------------------------------------------------

/// {"error": {"code": "...", "message": "..."}} with the status of the code. 429 and 503 carry
/// Retry-After: a disk takes longer to be emptied (5 s) than a queue (1 s).
response refuse(const error&);
/// 421: another server answers this, as the text says.
response misdirected(std::string text);
/// Likewise; 401 carries WWW-Authenticate, and Retry-After is the gate's own.
response rejected(const gate::refusal&);
response accepted(const job_id&); ///< {"id","status":"IN_QUEUE"}
response job(const job_view&);    ///< /status, /runsync
/// {"status","stream":[{"output":…}]}, and "droppedChunks" when a reader cannot have all of them.
response chunks(const job_view&, const std::vector<chunk>&);
response state_of(const job_view&);   ///< {"id","status"}
response purged(std::size_t removed); ///< {"removed","status":"completed"}
response jobs(const job_list&);       ///< {"jobs":[…],"next":…}
/// A change of a job, for the event feed: JSON object. The first one has no `from`.
std::string job_event(const job_view&);
std::string job_event(const job_view&, job_state from, cause why);
/// A transition of the pod, an engine or the ingress: {"machine","status","from","cause","ms"}; an
/// engine's has its "worker".
std::string lifecycle_event(std::string_view machine, std::string_view worker, std::string_view to,
                            std::string_view from, cause why, milliseconds stayed);
response detail(const job_detail&);               ///< GET /jobs/{id}
response slots(const std::vector<slot_summary>&); ///< {"slots":[…]}

response requests(const job_list&);                   ///< {"requests":[…],"next":…}
response workers(const std::vector<remote_summary>&); ///< {"workers":[…]}
response pods(const std::vector<pod_summary>&);       ///< {"pods":[…]}
response trust(const trust_list&);                    ///< {"listens","pods":[…],"tokens":[…]}
response join_string(const join_text&);               ///< a secret: never to be stored on the way
response described();                                 ///< GET /openapi.json

// To remote workers, as RunPod's platform answers its own.

/// A job as a worker is given it.
struct job_handout {
  std::string id;
  shared_text input;     ///< JSON text
  std::string s3_config; ///< JSON text; empty = none
  std::string webhook;   ///< empty = none
};
/// An array for a batch, else one object: the first. 204 for none.
response handed_out(const std::vector<job_handout>&, bool batch);
response stops(const std::vector<std::string>& ids); ///< {"jobsToStop":[…]}; 204 for none
response noted();                                    ///< {"status":"ok"}

struct worker_counts {
  std::uint32_t idle = 0, initializing = 0, ready = 0, running = 0, unhealthy = 0;
};
response counts(const job_counts&, const worker_counts&); ///< /health
response pinged(bool ready);                              ///< 200 or 204
response metrics_text(std::string);

// ---- the answers of requests that are passed on as they are (render.cpp) -----------------------

template <class Request>
struct about {}; ///< names the request whose answer is rendered

response answer_to(about<cancel_job>, const job_answer&);
response answer_to(about<retry_job>, const job_answer&);
response answer_to(about<drop_job>, const job_answer&);
response answer_to(about<purge_jobs>, const purge_answer&);
response answer_to(about<list_jobs>, const list_answer&);
response answer_to(about<inspect_job>, const detail_answer&);
response answer_to(about<list_slots>, const slots_answer&);
response answer_to(about<drain_slot>, const slots_answer&);
response answer_to(about<resize_slots>, const slots_answer&);
response answer_to(about<list_workers>, const workers_answer&);
response answer_to(about<list_pods>, const pods_answer&);
response answer_to(about<drain_pod>, const pods_answer&);
response answer_to(about<list_trust>, const trust_answer&);
response answer_to(about<change_trust>, const trust_answer&);
response answer_to(about<make_join_text>, const join_text_answer&);

} // namespace tayfa::api
