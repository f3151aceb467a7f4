// The actions that the session and the outbox request; the runpod_worker actor carries them out in
// order. Plain values. Where a message to another actor says the same, the effect is that message:
// submit_job, cancel_job, result_posted and ask_origin_jobs go to the queue, origin_drained and
// stop_pod to the supervisor.
#pragma once

#include "messages/job_requests.hpp"
#include "messages/origin.hpp"
#include "messages/pod.hpp"
#include "runtime/http_client/poster.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tayfa::runpod {

/// Its answer goes to session::took.
struct open_take {
  std::uint64_t number = 0;
  outgoing_call call;
};
/// The open take is wanted no longer: half-close it. Its answer still comes, errc::cancelled or
/// the one that the platform had sent.
struct drop_take {
  milliseconds linger{0};
};
/// Its answer goes to session::stops_answered.
struct open_stop_poll {
  std::uint64_t number = 0;
  outgoing_call call;
};
/// Its answer goes to session::posted.
struct send_post {
  std::uint64_t number = 0;
  outgoing_call call;
};
/// Its answer goes to session::ping_answered; the next ping is due after `next`.
struct send_ping {
  outgoing_call call;
  milliseconds next{0};
};

struct log_line {
  const char* event = "";
  bool warning = false;
  std::optional<job_id> job{};
  std::optional<std::size_t> bytes{};
  std::string text{};
};
struct count {
  enum class what : std::uint8_t { take, trouble } of = what::take; ///< takes that brought jobs
};

using effect =
    std::variant<open_take, drop_take, open_stop_poll, send_post, send_ping, submit_job, cancel_job,
                 result_posted, ask_origin_jobs, origin_drained, stop_pod, log_line, count>;
using effects = std::vector<effect>;

} // namespace tayfa::runpod
