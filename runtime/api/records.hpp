// Every answer's fields, once: the name, the member, whether it is always there, and a description
// for people where the name does not suffice. The writer, the command line's reader and the schemas
// of /openapi.json are made of these lists; their order is the order of the members in an answer.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/api/record.hpp"
#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <span>

namespace tayfa::api {

// ---- what is shown of a member -----------------------------------------------------------------

/// Why a job waits, while it does.
template <class State, class Why>
struct while_waiting {
  static wait_reason get(const auto& job) {
    return State::get(job) == job_state::IN_QUEUE ? Why::get(job) : wait_reason::none;
  }
  static void set(auto& job, wait_reason why) { Why::set(job, why); }
};
template <class Waiting>
struct waiting_text {
  static std::string_view get(const auto& job) {
    const wait_reason why = Waiting::get(job);
    return why == wait_reason::none ? std::string_view{} : tayfa::describe(why);
  }
};

/// Limit of an error's text in a list: a thousand failed jobs with long texts must not become a
/// hundred megabytes. /status has the whole text.
inline constexpr std::size_t listed_error_bytes = 512;

/// A failure as people read it. What is read back has that text, under job_failed until its code
/// is read.
template <class Failure>
struct error_text {
  static std::string get(const auto& record) {
    const std::optional<error>& failure = Failure::get(record);
    return failure ? failure_text(*failure) : std::string{};
  }
  static void set(auto& record, std::string text) {
    Failure::set(record, error{errc::job_failed, std::move(text)});
  }
};
template <class Failure>
struct listed_error : error_text<Failure> {
  static std::string get(const auto& record) {
    std::string text = error_text<Failure>::get(record);
    if (text.size() > listed_error_bytes) {
      text.resize(text::utf8_prefix(text, listed_error_bytes).size());
      text += " …";
    }
    return text;
  }
};
template <class Failure>
struct error_code {
  static std::optional<errc> get(const auto& record) {
    const std::optional<error>& failure = Failure::get(record);
    return failure ? std::optional{failure->code} : std::nullopt;
  }
  static void set(auto& record, const std::optional<errc>& code) {
    auto& failure = Failure::of(record);
    failure = error{code.value_or(errc::job_failed), failure ? failure->text : std::string{}};
  }
};

/// /status shows the error of a job that failed; of a lost attempt it shows none.
struct final_error : error_text<at<&job_view::failure>> {
  static std::string get(const job_view& job) {
    const bool failed = job.state == job_state::FAILED || job.state == job_state::TIMED_OUT;
    return failed ? error_text<at<&job_view::failure>>::get(job) : std::string{};
  }
};
/// After a cancel was acknowledged nothing of the job may be seen, not even its last progress.
struct visible_output {
  static const shared_text& get(const job_view& job) {
    static const shared_text none;
    return job.state == job_state::CANCELLED ? none : job.output;
  }
};
/// Attempts that are shown of one job: the newest.
struct listed_attempts {
  static constexpr std::size_t most = 200;
  static std::span<const attempt_view> get(const job_detail& job) {
    return std::span{job.history}.last(std::min(job.history.size(), most));
  }
  static void set(job_detail& job, std::vector<attempt_view> all) { job.history = std::move(all); }
};

// ---- jobs ---------------------------------------------------------------------------------------

inline constexpr std::string_view dropped_chunks_schema = "DroppedChunks";
inline constexpr std::string_view delay_text = "From acceptance to the start of its first attempt.";
inline constexpr std::string_view execution_text = "Of the attempt that ended it.";

inline constexpr auto job_fields = record_of<job_view>(
    "Job", if_set<&job_view::delay>("delayTime", delay_text),
    if_set<&job_view::dropped_chunks>("droppedChunks").as(dropped_chunks_schema),
    if_set<&job_view::execution>("executionTime", execution_text), if_set_by<final_error>("error"),
    always<&job_view::id>("id"),
    if_set_by<visible_output>("output", "The result; while it runs, the latest progress."),
    always<&job_view::state>("status"), if_set<&job_view::worker>("workerId"),
    if_set_by<while_waiting<at<&job_view::state>, at<&job_view::why>>>("waitReason"));

struct state_of_new_jobs {
  static job_state get(const job_id&) { return job_state::IN_QUEUE; }
};
inline constexpr auto accepted_fields =
    record_of<job_id>("Accepted", always_by<whole>("id"), always_by<state_of_new_jobs>("status"));
inline constexpr auto job_state_fields = record_of<job_view>(
    "JobState", always<&job_view::id>("id"), always<&job_view::state>("status"));

inline constexpr auto job_summary_fields = record_of<job_summary>(
    "JobLine", always<&job_summary::id>("id"), always<&job_summary::state>("status"),
    if_set_by<while_waiting<at<&job_summary::state>, at<&job_summary::why>>>("waitReason"),
    if_set<&job_summary::model>("model"), if_set<&job_summary::tenant>("tenant"),
    always<&job_summary::priority>("priority").at_most(job_policy::priority_max),
    always<&job_summary::attempts>("attempts"),
    always<&job_summary::age>("age", "Milliseconds since its acceptance."),
    if_set<&job_summary::worker>("workerId"),
    if_set_by<listed_error<at<&job_summary::failure>>>("error"),
    if_set_by<error_code<at<&job_summary::failure>>>("errorCode"));

inline constexpr auto attempt_fields = record_of<attempt_view>(
    "Attempt", always<&attempt_view::number>("attempt"), if_set<&attempt_view::worker>("workerId"),
    always<&attempt_view::given>("given",
                                 "Milliseconds from the job's acceptance, as all of them."),
    if_set<&attempt_view::began>("began"), always<&attempt_view::ended>("ended"),
    if_set_by<listed_error<at<&attempt_view::failure>>>("error"),
    if_set_by<error_code<at<&attempt_view::failure>>>("errorCode"));

template <auto Member>
using of_view = at<&job_detail::view, Member>;
using detail_waiting = while_waiting<of_view<&job_view::state>, of_view<&job_view::why>>;

inline constexpr auto job_detail_fields = record_of<job_detail>(
    "JobDetail", always_by<of_view<&job_view::id>>("id"),
    always_by<of_view<&job_view::state>>("status"), if_set_by<detail_waiting>("waitReason"),
    if_set_by<waiting_text<detail_waiting>>("waitText"),
    always<&job_detail::dead>("dead", "It is on the dead list."),
    if_set<&job_detail::endpoint>("endpoint"), if_set<&job_detail::model>("model"),
    if_set<&job_detail::shape>("shape", "Jobs of one model and shape may run together."),
    if_set<&job_detail::tenant>("tenant"),
    always<&job_detail::priority>("priority").at_most(job_policy::priority_max),
    always<&job_detail::input_bytes>("inputBytes"),
    always<&job_detail::age>("age", "Milliseconds since its acceptance."),
    if_set_by<of_view<&job_view::delay>>("delayTime", delay_text),
    if_set_by<of_view<&job_view::execution>>("executionTime", execution_text),
    always_by<of_view<&job_view::attempts>>("attempts"),
    always<&job_detail::lives>("lives", "1, and 1 for each retry of a client."),
    if_set_by<of_view<&job_view::worker>>("workerId"),
    if_set_by<of_view<&job_view::dropped_chunks>>("droppedChunks").as(dropped_chunks_schema),
    if_set_by<listed_error<of_view<&job_view::failure>>>("error"),
    if_set_by<error_code<of_view<&job_view::failure>>>("errorCode"),
    always_by<nested<attempt_fields, listed_attempts>>("history", "Its newest attempts."));

using next_page = null_for_0<at<&job_list::next>>;
using listed_jobs = nested<job_summary_fields, at<&job_list::jobs>>;
inline constexpr std::string_view next_text = "For `after` of the next page; null at the end.";
inline constexpr auto job_list_fields = record_of<job_list>(
    "", always_by<listed_jobs>("jobs"), always_by<next_page>("next", next_text));
inline constexpr auto request_list_fields = record_of<job_list>(
    "", always_by<listed_jobs>("requests"), always_by<next_page>("next", next_text));

inline constexpr std::string_view completed_text = "completed";
inline constexpr auto purged_fields = record_of<std::size_t>(
    "", always_by<whole>("removed"), always_by<constant<completed_text>>("status"));

/// The chunks of a stream that no reader has received.
struct stream_page {
  const job_view& job;
  const std::vector<chunk>& chunks;

  struct dropped {
    static std::uint64_t get(const stream_page& page) { return page.job.dropped_chunks; }
  };
  struct state {
    static job_state get(const stream_page& page) { return page.job.state; }
  };
  struct all {
    static const std::vector<chunk>& get(const stream_page& page) { return page.chunks; }
  };
};
inline constexpr auto chunk_fields = record_of<chunk>("", always_by<whole>("output"));
inline constexpr auto stream_fields = record_of<stream_page>(
    "Stream", if_set_by<stream_page::dropped>("droppedChunks").as(dropped_chunks_schema),
    always_by<stream_page::state>("status"),
    always_by<nested<chunk_fields, stream_page::all>>("stream"));

// ---- events -------------------------------------------------------------------------------------

/// The move behind a job's event; a new job has made none.
struct job_move {
  std::optional<job_state> from;
  std::optional<cause> why;
};
// A job's event: job_state_fields, then its move, then these.
inline constexpr auto job_move_fields =
    record_of<job_move>("", if_set<&job_move::from>("from"), if_set<&job_move::why>("cause"));
inline constexpr auto job_change_fields = record_of<job_view>(
    "", always<&job_view::attempts>("attempt"), if_set<&job_view::worker>("workerId"),
    if_set<&job_view::why>("waitReason"), if_set_by<error_code<at<&job_view::failure>>>("error"),
    if_set<&job_view::delay>("delayTime"), if_set<&job_view::execution>("executionTime"));

/// A transition of the pod, an engine or the ingress.
struct lifecycle_move {
  std::string machine, worker, to, from;
  cause why = cause::start_requested;
  milliseconds stayed{0};
};
inline constexpr auto lifecycle_fields = record_of<lifecycle_move>(
    "", always<&lifecycle_move::machine>("machine"), if_set<&lifecycle_move::worker>("worker"),
    always<&lifecycle_move::to>("status"), always<&lifecycle_move::from>("from"),
    always<&lifecycle_move::why>("cause"), always<&lifecycle_move::stayed>("ms"));

// ---- the pod ------------------------------------------------------------------------------------

struct throttled {
  /// RunPod throttles workers of its platform; a pod has none.
  static std::uint32_t get(const worker_counts&) { return 0; }
};
struct health_numbers {
  job_counts jobs;
  worker_counts workers;
};
inline constexpr auto job_count_fields = record_of<job_counts>(
    "", always<&job_counts::completed>("completed"), always<&job_counts::failed>("failed"),
    always<&job_counts::in_progress>("inProgress"), always<&job_counts::in_queue>("inQueue"),
    always<&job_counts::retried>("retried", "Attempts that were lost and given again."));
inline constexpr auto worker_count_fields = record_of<worker_counts>(
    "", always<&worker_counts::idle>("idle"), always<&worker_counts::initializing>("initializing"),
    always<&worker_counts::ready>("ready"), always<&worker_counts::running>("running"),
    always_by<throttled>("throttled", "Always 0."), always<&worker_counts::unhealthy>("unhealthy"));
inline constexpr auto health_fields = record_of<health_numbers>(
    "Health", always_by<nested<job_count_fields, at<&health_numbers::jobs>>>("jobs"),
    always_by<nested<worker_count_fields, at<&health_numbers::workers>>>("workers"));

inline constexpr auto slot_fields = record_of<slot_summary>(
    "", always<&slot_summary::slot>("slot"),
    always<&slot_summary::incarnation>("incarnation", "Counts its engine processes."),
    always<&slot_summary::state>("state"), if_set<&slot_summary::engine>("engine"),
    if_set<&slot_summary::device>("device"), if_set<&slot_summary::model>("model"),
    always<&slot_summary::running>("running", "Attempts in it now."),
    always<&slot_summary::completed>("completed", "Attempts, since the runtime started."),
    always<&slot_summary::lost>("lost", "Likewise."), always<&slot_summary::draining>("draining"),
    always<&slot_summary::quarantined>("quarantined",
                                       "It kept failing; it is tried again after a while."),
    always<&slot_summary::given_up>("givenUp"),
    if_set<&slot_summary::pinned>("pinned", "CPUs, as a list: 0-3."));
inline constexpr auto slots_fields =
    record_of<std::vector<slot_summary>>("Slots", always_by<nested<slot_fields, whole>>("slots"));

inline constexpr auto remote_fields = record_of<remote_summary>(
    "", always<&remote_summary::name>("id"), always<&remote_summary::endpoint>("endpoint"),
    if_set<&remote_summary::version>("version", "Of its SDK, as it says."),
    if_set<&remote_summary::device>("device", "As its addresses say."),
    always<&remote_summary::healthy>("healthy", "false: it reported itself unfit."),
    always<&remote_summary::jobs>("jobs", "Those that it holds."),
    always<&remote_summary::wanted>("waiting", "Jobs that it waits for."),
    always<&remote_summary::silent>("silentMs", "Since its last call."),
    always<&remote_summary::completed>("completed", "Attempts."),
    always<&remote_summary::lost>("lost", "Attempts."));
inline constexpr auto remotes_fields = record_of<std::vector<remote_summary>>(
    "Workers", always_by<nested<remote_fields, whole>>("workers"));

inline constexpr auto pod_fields = record_of<pod_summary>(
    "", always<&pod_summary::name>("name"), always<&pod_summary::key>("key", "Its public key."),
    always<&pod_summary::state>(
        "state", "linked, suspect, draining, drained, closed, cut or away; none but the first "
                 "gets new work."),
    if_set<&pod_summary::why>("why", "Why it takes nothing, as it says."),
    if_set<&pod_summary::release>("release", "Of its program."),
    always<&pod_summary::slots>("slots"),
    always<&pod_summary::attempts>("attempts", "That the head counts there."),
    always<&pod_summary::running>("running", "As the pod says."),
    always<&pod_summary::models>("models", "Those on its disk."),
    always<&pod_summary::silent>("silentMs", "Since its last message."),
    if_set<&pod_summary::round_trip_us>("roundTripUs", "As the pod measures it."),
    always<&pod_summary::bytes_in>("bytesIn", "Of its messages, since the head started."),
    always<&pod_summary::bytes_out>("bytesOut", "Of messages to it, likewise."));
inline constexpr auto pods_fields =
    record_of<std::vector<pod_summary>>("Pods", always_by<nested<pod_fields, whole>>("pods"));

inline constexpr auto trusted_fields =
    record_of<trusted_pod>("", always<&trusted_pod::name>("name"), always<&trusted_pod::key>("key"),
                           always<&trusted_pod::trusted>("trusted", "false: revoked."),
                           if_set<&trusted_pod::by>("by", "Who decided that."));
inline constexpr auto token_fields = record_of<join_token_summary>(
    "", always<&join_token_summary::id>("id"), always<&join_token_summary::expired>("expired"),
    always<&join_token_summary::expires_in>("expiresInMs"),
    if_set<&join_token_summary::used_by>("usedBy", "Key of the pod that joined with it."),
    if_set<&join_token_summary::by>("by", "Who made it."));
inline constexpr auto trust_fields = record_of<trust_list>(
    "Trust", always<&trust_list::listens>("listens", "Where pods connect to, as it was bound."),
    always_by<nested<trusted_fields, at<&trust_list::pods>>>("pods"),
    always_by<nested<token_fields, at<&trust_list::tokens>>>("tokens"));
inline constexpr auto join_text_fields = record_of<join_text>(
    "", always<&join_text::token>("token"),
    always<&join_text::text>("join", "The join string: a secret, shown only here."),
    always<&join_text::expires_in>("expiresInMs"));

inline constexpr std::string_view ready_text = "ready";
inline constexpr auto ready_fields = record_of<bool>("", always_by<constant<ready_text>>("status"));

// ---- remote workers -----------------------------------------------------------------------------

inline constexpr auto handout_fields = record_of<job_handout>(
    "Handout", always<&job_handout::id>("id").as("WorkerJob"), always<&job_handout::input>("input"),
    if_set_by<as_json<at<&job_handout::s3_config>>>("s3Config").as("S3Config"),
    if_set<&job_handout::webhook>("webhook"));
inline constexpr auto stops_fields = record_of<std::vector<std::string>>(
    "", always_by<whole>("jobsToStop").as("WorkerJob").never_empty());
inline constexpr std::string_view ok_text = "ok";
inline constexpr auto noted_fields = record_of<bool>("", always_by<constant<ok_text>>("status"));

// ---- refusals -----------------------------------------------------------------------------------

struct refusal {
  errc code = errc::internal;
  std::string message;
};
inline constexpr auto refusal_fields =
    record_of<refusal>("", always<&refusal::code>("code"), always<&refusal::message>("message"));
inline constexpr auto error_fields =
    record_of<refusal>("Error", always_by<nested<refusal_fields, whole>>("error"));

} // namespace tayfa::api
