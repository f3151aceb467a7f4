// The wire contract of a RunPod serverless worker, as the Python SDK 1.12.0 implements it: calls,
// meaning of answers, format of bodies. Pure: text in, text out.
//
// Owner: the runpod_worker actor, which makes the calls. Sources: runpod-python 1.12.0
// (serverless/modules: rp_job, rp_http, rp_ping, rp_scale, rp_fitness). docs/runpod.md lists and
// explains the differences from the SDK.
#pragma once

#include "messages/job.hpp"
#include "runtime/base/secret.hpp"
#include "runtime/http_client/poster.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::runpod {

/// The SDK version of this contract; sent in pings and errors.
inline constexpr std::string_view contract_version = "1.12.0";
inline constexpr std::size_t take_bytes_max = std::size_t{24} << 20; ///< /runsync takes 20 MB
inline constexpr std::size_t result_bytes_max = std::size_t{20} << 20;
inline constexpr std::size_t chunk_bytes_max = 1'000'000; ///< of one job-stream post
inline constexpr std::size_t platform_id_max = 512;
inline constexpr std::size_t batch_most = 1'000; ///< jobs of one take that are read

/// The worker's settings from the environment. URL templates as RunPod gives them, with `$ID` and
/// `$RUNPOD_POD_ID` not replaced yet.
struct settings {
  std::string get_job;     ///< RUNPOD_WEBHOOK_GET_JOB; never empty
  std::string post_output; ///< RUNPOD_WEBHOOK_POST_OUTPUT
  std::string post_stream; ///< RUNPOD_WEBHOOK_POST_STREAM; empty = chunks are not posted
  std::string ping;        ///< RUNPOD_WEBHOOK_PING; empty = no pings
  std::string worker_id;   ///< RUNPOD_POD_ID, or made up (then without pings)
  bool pings = false;      ///< ping URL, pod id and key are set, as the SDK requires
  milliseconds ping_interval{10'000};
  secret_text api_key;     ///< RUNPOD_AI_API_KEY; sent as it is, without "Bearer"
  std::string endpoint_id; ///< RUNPOD_ENDPOINT_ID
  std::string hostname;    ///< RUNPOD_POD_HOSTNAME, or "unknown"
};
/// Reads entries "NAME=value". Empty without RUNPOD_WEBHOOK_GET_JOB: the program is no RunPod
/// worker. errc::bad_config names the variable: a malformed URL, a URL without `$ID` where it is
/// required, an interval that is no number. `made_up_id` replaces a missing RUNPOD_POD_ID.
result<std::optional<settings>> settings_from(std::span<const std::string> environment,
                                              std::string_view made_up_id);

// ---- calls: method, URL, header fields and timeout, ready for an http_poster (unguarded) --------

/// `wanted` > 1 uses job-take-batch.
outgoing_call take_call(const settings&, std::uint32_t wanted, bool job_in_progress,
                        milliseconds timeout);
/// Empty when the take URL has no "/job-take/" to replace.
std::optional<outgoing_call> stop_call(const settings&, milliseconds timeout);
/// Ids beyond 65,536 bytes are left out whole.
outgoing_call ping_call(const settings&, std::span<const std::string> jobs);
/// Precondition: `ping` is set.
outgoing_call unhealthy_call(const settings&, std::string_view check, std::string_view reason);
/// job-done, with the id percent-encoded where necessary.
outgoing_call result_call(const settings&, const std::string& job, bool is_stream,
                          std::string body);
outgoing_call chunk_call(const settings&, const std::string& job, std::string body);

// ---- answers -----------------------------------------------------------------------------------

struct taken_job {
  std::string id; ///< the platform's: 1 .. platform_id_max bytes of printable UTF-8
  shared_text input;
  job_policy policy; ///< if the job has one
  std::string s3_config;
};
struct take_outcome {
  enum class what : std::uint8_t {
    jobs,  ///< some jobs (possibly only faulty ones)
    none,  ///< an ordinary empty answer: ask again at once
    slow,  ///< 400, or another answer that would repeat at once: pause, a little longer each time
    busy,  ///< 429: pause as long as it asks for, or 5 s
    broken ///< no complete answer, or 5xx
  };
  what kind = what::none;
  std::vector<taken_job> jobs;
  /// Jobs with a valid id but otherwise unusable: they end with this error at once.
  std::vector<std::pair<std::string, error>> faulty;
  std::vector<std::string> remarks; ///< for the log: parts that were not understood
  milliseconds pause{0};            ///< from Retry-After
};
/// Takes the answer by value: a single job keeps the body's memory.
take_outcome read_take(result<outgoing_answer>);

struct stop_outcome {
  take_outcome::what kind = take_outcome::what::none; ///< `jobs`: there are ids
  std::vector<std::string> ids;
  milliseconds pause{0};
  std::string remark; ///< for the log: the part that was not understood
};
stop_outcome read_stop(const result<outgoing_answer>&);

/// Outcome of a post.
struct post_outcome {
  enum class what : std::uint8_t { accepted, again, refused } kind = what::accepted;
  milliseconds pause{0}; ///< from Retry-After, with `again`
  std::string text;      ///< for the log: "status 503"
};
post_outcome read_post(const result<outgoing_answer>&);

/// Pause after `failures` consecutive failed takes (>= 1): 100 ms, doubling up to 5 s.
milliseconds take_pause(std::uint32_t failures);
/// Pause after `tries` tries of a post: 500 ms, doubling up to 30 s; the first is as short for
/// stream and progress posts as for results.
milliseconds post_pause(std::uint32_t tries);

// ---- bodies ------------------------------------------------------------------------------------

/// {"output": …}. A truthy "error" is moved out of an output object, "refresh_worker" is removed,
/// and "stopPod": true is added for it or for `refresh`; an output `{}` is sent as {}.
/// errc::payload_too_large beyond result_bytes_max.
result<std::string> output_body(const shared_text& output, bool refresh);
/// The end of a stream: {"output": []}, or all chunks when they are aggregated.
result<std::string> stream_end_body(std::span<const chunk>, bool aggregate, bool refresh);
/// {"error": "<JSON text>"}: error_type, error_message, error_traceback, hostname, worker_id,
/// runpod_version.
std::string error_body(const settings&, const error&, bool refresh = false);
/// {"status": "IN_PROGRESS", "output": …}
std::string progress_body(const shared_text&);
/// {"output": chunk}, in as many bodies as keep each within chunk_bytes_max: a long text is cut
/// between characters, a long array between elements; other values cannot be split
/// (errc::payload_too_large).
result<std::vector<std::string>> chunk_bodies(const chunk&);
/// The last message to the readers of a failed stream: {"output": {"error": text}}.
std::string chunk_error_body(const error&);

/// The job's id in this pod: the platform's own where it is a valid job_id, else one derived from
/// its SHA-256.
job_id local_id(const std::string& platform_id);

} // namespace tayfa::runpod
