// One HTTP request and its answer, for the command line. Blocking, bounded in bytes and in the time
// that it may stand still; follows no redirects.
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
  secret_text key;                               ///< sent as a bearer's; empty = none
  std::chrono::milliseconds connect_timeout{5'000};
  /// How long nothing may move: while it sends, while the answer is worked on, while that arrives.
  std::chrono::milliseconds idle_timeout{30'000};
  std::size_t response_bytes_max = std::size_t{64} << 20;
};

struct client_response {
  unsigned status = 0;
  std::string body;
};

/// errc::unavailable: nobody answers there; request_timeout: it stood still or went too slowly;
/// payload_too_large: the answer is larger than was allowed; bad_usage: the URL or the key is none;
/// io_error: the rest. Every text names the URL. Any HTTP status is a success here.
result<client_response> fetch(const client_request&);

} // namespace tayfa
