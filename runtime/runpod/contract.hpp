// The wire contract of a RunPod serverless worker, as the Python SDK 1.12.0 keeps it: which calls
// are made, what answers mean, what bodies look like. Pure: text in, text out.
//
// Owner: the runpod_worker actor, which makes the calls. Sources: runpod-python 1.12.0
// (serverless/modules: rp_job, rp_http, rp_ping, rp_scale, rp_fitness). Where this differs from the
// SDK, docs/runpod.md says so and why.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/secret.hpp"
#include "runtime/http/poster.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::runpod {

/// The SDK's version whose contract this is; told in pings and errors.
inline constexpr std::string_view contract_version = "1.12.0";
inline constexpr std::size_t take_bytes_max = std::size_t{24} << 20; ///< /runsync takes 20 MB
inline constexpr std::size_t result_bytes_max = std::size_t{20} << 20;
inline constexpr std::size_t chunk_bytes_max = 1'000'000; ///< of one job-stream post
inline constexpr std::size_t platform_id_max = 512;
inline constexpr std::size_t batch_most = 1'000; ///< jobs of one take that are looked at

/// What the environment says. Templates are as RunPod gives them, `$ID` and `$RUNPOD_POD_ID` not
/// replaced yet.
struct settings {
  std::string get_job;     ///< RUNPOD_WEBHOOK_GET_JOB; never empty
  std::string post_output; ///< RUNPOD_WEBHOOK_POST_OUTPUT
  std::string post_stream; ///< RUNPOD_WEBHOOK_POST_STREAM; empty = chunks are not posted
  std::string ping;        ///< RUNPOD_WEBHOOK_PING; empty = no pings
  std::string worker_id;   ///< RUNPOD_POD_ID, or made up (then there are no pings)
  bool pings = false;      ///< ping URL, pod id and key are there, as the SDK wants it
  milliseconds ping_interval{10'000};
  secret_text api_key;     ///< RUNPOD_AI_API_KEY; sent as it is, without "Bearer"
  std::string endpoint_id; ///< RUNPOD_ENDPOINT_ID
  std::string hostname;    ///< RUNPOD_POD_HOSTNAME, or "unknown"
};
/// Of the entries "NAME=value". Nothing when RUNPOD_WEBHOOK_GET_JOB is not there: this is no RunPod
/// worker. errc::bad_config naming the variable: a URL that is none, a URL without `$ID` where one
/// belongs, an interval that is no number. `made_up_id` is used without RUNPOD_POD_ID.
result<std::optional<settings>> settings_from(std::span<const std::string> environment,
                                              std::string_view made_up_id);

// ---- calls: method, URL, header fields and time, ready for an http_poster (unguarded) -----------

/// `wanted` > 1 asks job-take-batch.
outgoing_call take_call(const settings&, std::uint32_t wanted, bool job_in_progress,
                        milliseconds timeout);
/// Nothing when the take URL has no "/job-take/" to replace.
std::optional<outgoing_call> stop_call(const settings&, milliseconds timeout);
/// Ids beyond 65,536 bytes are left out, whole.
outgoing_call ping_call(const settings&, std::span<const std::string> jobs);
/// Precondition: `ping` is there.
outgoing_call unhealthy_call(const settings&, std::string_view check, std::string_view reason);
/// job-done, with the id percent-encoded where it needs to be.
outgoing_call result_call(const settings&, const std::string& job, bool is_stream,
                          std::string body);
outgoing_call chunk_call(const settings&, const std::string& job, std::string body);

// ---- answers -----------------------------------------------------------------------------------

struct taken_job {
  std::string id; ///< the platform's: 1 .. platform_id_max bytes of printable UTF-8
  shared_text input;
  job_policy policy; ///< as far as the job brings one
  std::string s3_config;
};
struct take_news {
  enum class what : std::uint8_t {
    jobs,  ///< there are some (or only faulty ones)
    none,  ///< an ordinary "nothing": ask again at once
    slow,  ///< 400, or another answer that would come at once again: pause, a little longer each
           ///< time
    busy,  ///< 429: pause as long as it says, or 5 s
    broken ///< no whole answer, or 5xx
  };
  what kind = what::none;
  std::vector<taken_job> jobs;
  /// Jobs with an id but without a usable rest: they end with this error at once.
  std::vector<std::pair<std::string, error>> faulty;
  std::vector<std::string> remarks; ///< for the log: what was not understood
  milliseconds pause{0};            ///< asked for by Retry-After
};
/// Takes the answer by value: a single job keeps the memory of the body it came in.
take_news read_take(result<outgoing_answer>);

struct stop_news {
  take_news::what kind = take_news::what::none; ///< `jobs`: there are ids
  std::vector<std::string> ids;
  milliseconds pause{0};
  std::string remark;
};
stop_news read_stop(const result<outgoing_answer>&);

/// How a post fared.
struct post_news {
  enum class what : std::uint8_t { accepted, again, refused } kind = what::accepted;
  milliseconds pause{0}; ///< of Retry-After, with `again`
  std::string text;      ///< for the log: "status 503"
};
post_news read_post(const result<outgoing_answer>&);

/// Before the next take after `failures` in a row (>= 1): 100 ms doubling up to 5 s.
milliseconds take_pause(std::uint32_t failures);
/// Before the next try of a post after `tries`: 500 ms doubling up to 30 s; the first for a stream
/// or progress post is as short as for a result.
milliseconds post_pause(std::uint32_t tries);

// ---- bodies ------------------------------------------------------------------------------------

/// {"output": …}, with "error" taken out of an object that has a truthy one, "refresh_worker" taken
/// out, and "stopPod": true added for it or for `refresh`; `{}` as an output is sent as {}.
/// errc::payload_too_large beyond result_bytes_max.
result<std::string> output_body(const shared_text& output, bool refresh);
/// The end of a stream: {"output": []}, or all chunks when they are to be aggregated.
result<std::string> stream_end_body(std::span<const chunk>, bool aggregate, bool refresh);
/// {"error": "<JSON text>"}: error_type, error_message, error_traceback, hostname, worker_id,
/// runpod_version.
std::string error_body(const settings&, const error&, bool refresh = false);
/// {"status": "IN_PROGRESS", "output": …}
std::string progress_body(const shared_text&);
/// {"output": chunk}, in as many bodies as keep each within chunk_bytes_max: a long text is cut
/// between characters, a long array between elements, other values cannot be
/// (errc::payload_too_large).
result<std::vector<std::string>> chunk_bodies(const chunk&);
/// The last word to the readers of a stream that failed: {"output": {"error": text}}.
std::string chunk_error_body(const error&);

/// The id under which the job is known here: the platform's own where it is a job_id, else one made
/// of its SHA-256.
job_id local_id(const std::string& platform_id);

} // namespace tayfa::runpod
