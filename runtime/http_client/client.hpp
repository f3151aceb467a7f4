// A blocking HTTP request for the command line. Bounded in bytes and in time without progress;
// follows no redirects.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/secret.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace tayfa {

struct client_request {
  std::string method = "GET";
  std::string url; ///< http or https
  std::string body;
  std::string content_type = "application/json"; ///< of the body of a POST
  secret_text key;                               ///< sent as bearer token; empty = none
  std::chrono::milliseconds connect_timeout{5'000};
  /// Longest time without progress while sending, waiting for the answer, or receiving it.
  std::chrono::milliseconds idle_timeout{30'000};
  std::size_t response_bytes_max = std::size_t{64} << 20;
};

struct client_response {
  unsigned status = 0;
  std::string body;
};

/// errc::unavailable: no server answers; request_timeout: no progress, or too slow;
/// payload_too_large: the answer exceeds response_bytes_max; bad_usage: the URL or the key is
/// malformed; io_error: anything else. Every text names the URL. Any HTTP status is a success here.
result<client_response> fetch(const client_request&);

} // namespace tayfa
