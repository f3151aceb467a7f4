// Every route, once. What people read of it in /openapi.json stands beside it.
#include "runtime/api/record_schema.hpp"
#include "runtime/api/records.hpp"
#include "runtime/api/route.hpp"

#include <array>

namespace tayfa::api {

namespace {

constexpr std::string_view list_query = "state tenant model limit after";

// Named here once: rows of a table are easier to compare when they are short.
using kind = route_kind;
using rule = body_rule;

constexpr std::string_view now = "The job, as it is now.";
constexpr std::string_view job_now = "The state of the job.";
constexpr std::string_view slots_now = "The slots, as they are now.";
constexpr std::string_view pods_now = "The pods, as they are now.";
constexpr std::string_view trust_now = "The list, as it is now.";
constexpr std::string_view none_came = "None came while the call was held.";
constexpr std::string_view accepted_text = "Accepted.";
constexpr std::string_view events_content = "text/event-stream";

/// The request as its receiver serves it; what the path and the query say goes to the members of
/// the same name.
template <class Request>
call passes([[maybe_unused]] route& at, [[maybe_unused]] job_access&& who) {
  Request out{};
  if constexpr (requires { out.who; }) {
    out.who = std::move(who);
  }
  if constexpr (requires { out.id; }) {
    out.id = std::move(at.id);
  }
  if constexpr (requires { out.filter; }) {
    out.filter = std::move(at.filter);
  }
  if constexpr (requires { out.count; }) {
    out.count = at.count;
  }
  return out;
}

constexpr std::array shapes{
    route_spec{"run", kind::run, scope::client, true, "POST", rule::run, "*"}.says(
        {"run", "Submit a job; the answer comes once it is durable.", accepted_text,
         shows<accepted_fields>, "Idempotency-Key"}),
    route_spec{"runsync", kind::runsync, scope::client, true, "POST", rule::runsync, "*"}.says(
        {"runsync", "Submit a job and wait for its end, up to `wait` milliseconds.", job_now,
         shows<job_fields>, "wait Idempotency-Key"}),
    route_spec{"status/{id}", kind::status, scope::client, true, "GET, POST", rule::ignored, "*"}
        .says({"status", "The state of a job.", job_now, shows<job_fields>, "ttl"}),
    route_spec{"status-sync/{id}", kind::status_sync, scope::client, true, "GET, POST",
               rule::ignored, "*"}
        .says({"statusSync", "The state of a job, when it has ended or the wait is over.", job_now,
               shows<job_fields>, "wait ttl"}),
    route_spec{"stream/{id}", kind::stream, scope::client, true, "GET, POST", rule::ignored, "*"}
        .says({"stream",
               "The chunks of the job's stream that no reader has received yet. Without one the "
               "call waits for the next.",
               "Chunks, oldest first.", shows<stream_fields>, "wait"}),
    route_spec{"cancel/{id}", kind::passed, scope::client, true, "POST", rule::ignored, "*"}
        .says({"cancel", "End a job; no result becomes visible afterwards.", now,
               shows<job_state_fields>})
        .by(passes<cancel_job>),
    route_spec{"retry/{id}", kind::passed, scope::client, true, "POST", rule::ignored, "*"}
        .says({"retry", "Run a FAILED or TIMED_OUT job again, under its id.", now,
               shows<job_state_fields>})
        .by(passes<retry_job>),
    route_spec{"requests", kind::requests, scope::client, true, "GET", rule::none,
               "state limit after"}
        .says({"requests",
               "The jobs of this endpoint, newest first. A tenant's key lists only that tenant's "
               "jobs.",
               "A page.", shows<request_list_fields>})
        .by([](route& at, job_access&& who) -> call {
          return list_requests{{std::move(who), std::move(at.filter)}};
        }),
    route_spec{"health", kind::health, scope::client, true, "GET", rule::none, "*"}
        .says({"health", "Counts of jobs and workers.", "The counts in RunPod's form.",
               shows<health_fields>})
        .by(passes<health>),
    route_spec{"purge-queue", kind::purge, scope::operator_, true, "POST", rule::ignored, "*"}
        .says({"purgeQueue", "Cancel every waiting job; running jobs continue.", "Done.",
               shows<purged_fields>})
        .by(passes<purge_jobs>),
    route_spec{"drop/{id}", kind::passed, scope::operator_, true, "POST", rule::ignored, ""}
        .says({"drop", "Delete a job that has ended.", now, shows<job_state_fields>})
        .by(passes<drop_job>),
    route_spec{"jobs", kind::jobs, scope::operator_, true, "GET", rule::none, list_query}
        .says({"jobs", "Jobs, newest first.", "A page.", shows<job_list_fields>})
        .by(passes<list_jobs>),
    route_spec{"jobs/{id}", kind::passed, scope::operator_, true, "GET", rule::none, ""}
        .says({"inspect", "All facts of a job except its output.", "The job.",
               shows<job_detail_fields>})
        .by(passes<inspect_job>),
    route_spec{"dead", kind::dead, scope::operator_, true, "GET", rule::none, list_query}
        .says({"dead",
               "The dead list: jobs that FAILED because their attempts were used up, or as poison.",
               "A page.", shows<job_list_fields>})
        .by(passes<list_jobs>),
    route_spec{"events", kind::events, scope::operator_, true, "GET", rule::none, "job after"}.says(
        {"events",
         "Every change of jobs, engines and the pod.",
         "Server-sent events, without end.",
         plain_text,
         "Last-Event-ID",
         {},
         events_content}),
    route_spec{"slots", kind::passed, scope::operator_, false, "GET", rule::none, ""}
        .says({"slots", "The engine processes.", slots_now, shows<slots_fields>})
        .by(passes<list_slots>),
    route_spec{"slots/{slot}/drain", kind::passed, scope::operator_, false, "POST", rule::ignored,
               ""}
        .says({"drain", "Give this slot no more jobs.", slots_now, shows<slots_fields>})
        .by([](route& at, job_access&&) -> call {
          return drain_slot{at.slot, true};
        }),
    route_spec{"slots/{slot}/undrain", kind::passed, scope::operator_, false, "POST", rule::ignored,
               ""}
        .says({"undrain", "Give this slot jobs again.", slots_now, shows<slots_fields>})
        .by([](route& at, job_access&&) -> call {
          return drain_slot{at.slot, false};
        }),
    route_spec{"slots/count/{count}", kind::passed, scope::operator_, false, "POST", rule::ignored,
               ""}
        .says({"resize", "Change the number of slots.", slots_now, shows<slots_fields>})
        .by(passes<resize_slots>),
    route_spec{"workers", kind::passed, scope::operator_, false, "GET", rule::none, ""}
        .says({"workers", "The remote workers.", "The workers.", shows<remotes_fields>})
        .by(passes<list_workers>),
    route_spec{"pods", kind::passed, scope::operator_, false, "GET", rule::none, ""}
        .says({"pods", "The pods that have linked to this head since it started.", pods_now,
               shows<pods_fields>})
        .by(passes<list_pods>),
    route_spec{"pods/{pod}/drain", kind::pods, scope::operator_, false, "POST", rule::ignored,
               "mode"}
        .says({"drainPod",
               "Give this pod no more jobs, until it is undrained or the head restarts.", pods_now,
               shows<pods_fields>})
        .by([](route& at, job_access&&) -> call {
          return drain_pod{std::move(at.pod), at.drain};
        }),
    route_spec{"pods/{pod}/undrain", kind::pods, scope::operator_, false, "POST", rule::ignored, ""}
        .says({"undrainPod", "Give this pod jobs again.", pods_now, shows<pods_fields>})
        .by([](route& at, job_access&&) -> call {
          return drain_pod{std::move(at.pod), pod_drain::off};
        }),
    route_spec{"link", kind::passed, scope::operator_, false, "GET", rule::none, ""}
        .says({"link",
               "The pods that may link to this head, and the tokens with which others may "
               "join.",
               trust_now, shows<trust_fields>})
        .by(passes<list_trust>),
    route_spec{"link/tokens", kind::pods, scope::operator_, false, "POST", rule::ignored,
               "address minutes"}
        .says({"joinString", "Make a join string, with which one new pod may join.",
               "The join string, which is shown only here.", shows<join_text_fields>})
        .by([](route& at, job_access&&) -> call {
          return make_join_text{std::move(at.addresses), at.minutes, std::move(at.caller)};
        }),
    route_spec{"link/{pod}/trust", kind::pods, scope::operator_, false, "POST", rule::ignored,
               "name"}
        .says({"trustPod", "Let this pod in. One that is not listed yet is named by its key.",
               trust_now, shows<trust_fields>})
        .by([](route& at, job_access&&) -> call {
          return change_trust{std::move(at.pod), true, std::move(at.name), std::move(at.caller)};
        }),
    route_spec{"link/{pod}/revoke", kind::pods, scope::operator_, false, "POST", rule::ignored, ""}
        .says({"revokePod", "Let this pod in no more; it is cut off, and its jobs run elsewhere.",
               trust_now, shows<trust_fields>})
        .by([](route& at, job_access&&) -> call {
          return change_trust{std::move(at.pod), false, {}, std::move(at.caller)};
        }),
    route_spec{"metrics", kind::passed, scope::operator_, false, "GET", rule::none, "*"}
        .says({"metrics",
               "Metrics as Prometheus text.",
               "Version 0.0.4.",
               plain_text,
               {},
               {},
               "text/plain"})
        .by(passes<scrape>),
    route_spec{"ping", kind::ping, scope::open, false, "GET", rule::none, "*"}
        .says({"ping",
               "Is the pod ready? Also under the path that RunPod's HEALTH_CHECK_PATH names.",
               "Ready.",
               shows<ready_fields>,
               {},
               "Not yet."})
        .by(passes<ping>),
    route_spec{"ready", kind::passed, scope::open, false, "GET", rule::none, "*"}
        .says({"ready", "Would a job be served now? For probes that accept any 2xx.", "Yes.",
               shows<ready_fields>})
        .by(passes<ready>),
    route_spec{"openapi.json", kind::passed, scope::open, false, "GET", rule::none, "*"}
        .says({"openapi", "This document.", "OpenAPI 3.1.", some_object})
        .by(passes<describe>),
    route_spec{"job-take/{worker}", kind::take, scope::worker, true, "GET", rule::none, "*"}.says(
        {"jobTake", "Take a job. The call is held until there is one, or for a limited time.",
         "A job.", shows<handout_fields>, "gpu job_in_progress", none_came}),
    route_spec{"job-take-batch/{worker}", kind::take_batch, scope::worker, true, "GET", rule::none,
               "*"}
        .says({"jobTakeBatch", "Take at most this many jobs.", "Jobs.", shows_some<handout_fields>,
               "gpu batch_size job_in_progress", none_came}),
    route_spec{"job-stop/{worker}", kind::poll_stops, scope::worker, true, "GET", rule::none, "*"}
        .says({"jobStop",
               "Ask which jobs to stop. The call is held until there are some, or for a limited "
               "time.",
               "Jobs that the worker must stop.", shows<stops_fields>, "gpu", none_came}),
    route_spec{"ping/{worker}", kind::worker_ping, scope::worker, true, "GET", rule::none, "*"}
        .says({"workerPing", "Report that the worker lives, and which jobs it holds.",
               accepted_text, shows<noted_fields>,
               "gpu job_id runpod_version status check reason"}),
    route_spec{"job-done/{worker}/{job}", kind::worker_done, scope::worker, true, "POST",
               rule::result, "*"}
        .says({"jobDone", "Post a result, a failure or a progress report.", accepted_text,
               shows<noted_fields>, "gpu isStream"}),
    route_spec{"job-stream/{worker}/{job}", kind::worker_chunk, scope::worker, true, "POST",
               rule::chunk, "*"}
        .says({"jobStream", "Post a chunk of a job's stream.", accepted_text, shows<noted_fields>,
               "gpu isStream"}),
    route_spec{"openai/v1/{openai}", kind::openai, scope::client, true, "GET, POST", rule::openai,
               "*"}
        .says({"openai", {}, {}}), // its prose is openapi_prose.json's
};

} // namespace

std::span<const route_spec> routes() {
  return shapes;
}

} // namespace tayfa::api
