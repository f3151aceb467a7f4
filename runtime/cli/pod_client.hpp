// A pod's HTTP API for the commands: one call, one parsed answer, one error type that includes the
// exit code.
#pragma once

#include "messages/ids.hpp"
#include "runtime/http_client/client.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace tayfa {

/// The program's exit codes used by the commands (sysexits.h; 130 is the shells' code for Ctrl-C).
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 64;
inline constexpr int exit_unavailable = 69;
inline constexpr int exit_try_again = 75;
inline constexpr int exit_interrupted = 130;

struct command_error {
  int exit_code = exit_failed;
  std::string text;    ///< for stderr, sanitized
  unsigned status = 0; ///< of the HTTP answer; 0 when there was none
};
template <class T>
using command_result = tl::expected<T, command_error>;

/// The pod did not answer or answered "later": the same call may succeed in a moment.
inline bool is_transient(const command_error& e) {
  return e.exit_code == exit_unavailable || e.exit_code == exit_try_again;
}

/// "after=5&state=FAILED" from names and values; empty values are left out, the others escaped.
std::string query_text(std::initializer_list<std::pair<std::string_view, std::string>> items);

class pod_client {
 public:
  struct reply {
    boost::json::object body;
    std::string text; ///< the body as received
  };
  using answer = command_result<reply>;

  /// The default of five minutes allows for an output with a hundred megabytes of pictures.
  pod_client(std::string url, const std::string& endpoint,
             std::chrono::milliseconds patience = std::chrono::minutes{5}, secret_text key = {});

  answer run(std::string body) const; ///< the JSON text of {"input": …}
  answer status(const job_id&) const;
  answer stream(const job_id&) const;
  answer inspect(const job_id&) const;
  answer cancel(const job_id&) const;
  answer retry(const job_id&) const;
  answer drop(const job_id&) const;
  answer purge() const;
  answer jobs(const std::string& query) const;
  answer dead(const std::string& query) const;
  answer health() const;
  answer slots() const;
  answer workers() const; ///< the remote ones
  answer drain(std::uint32_t slot, bool on) const;
  answer resize(std::uint32_t count) const;
  answer pods() const; ///< of a head
  answer drain_pod(const std::string& pod, const std::string& mode) const;
  answer undrain_pod(const std::string& pod) const;
  answer trust_list() const;
  answer trust_pod(const std::string& pod, const std::string& name) const;
  answer revoke_pod(const std::string& pod) const;
  /// `addresses`: between commas.
  answer join_string(const std::string& addresses, std::uint32_t minutes) const;

  /// GET /ping: "ready" (200), "not ready" (204), "stopping" (503).
  command_result<std::string> ping() const;
  command_result<std::string> metrics() const;

  /// The URL for event_connection: events of all jobs when `job` is empty, from now on
  /// without `after`.
  std::string events_url(const job_id& job, std::optional<std::uint64_t> after) const;
  const secret_text& key() const { return key_; }

 private:
  command_result<client_response> exchange(std::string method, std::string url,
                                           std::string body) const;
  answer call(std::string method, const std::string& url, std::string body = {}) const;

  std::string root_; ///< "http://127.0.0.1:8000"
  std::string base_; ///< "http://127.0.0.1:8000/v2/tayfa"
  std::chrono::milliseconds patience_;
  secret_text key_;
};

} // namespace tayfa
