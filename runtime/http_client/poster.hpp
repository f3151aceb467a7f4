// Non-blocking outgoing HTTP calls (webhooks). One of the interfaces of `world`.
#pragma once

#include "messages/error.hpp"
#include "messages/fields.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

struct outgoing_call {
  std::string method = "POST";
  std::string url;
  std::string body;
  std::vector<shared_text> more; ///< shared texts that follow `body`
  std::vector<std::pair<std::string, std::string>> headers;
  /// Longest time without progress once the call runs: while it connects and sends, waits for the
  /// answer, or receives it.
  std::chrono::milliseconds timeout{10'000};
  /// Bytes a second that must move over each `timeout` while it sends or receives: large bodies may
  /// take their time, but a peer cannot hold a call with an occasional byte.
  std::uint64_t least_rate = 64 * 1024;
  std::size_t answer_bytes_max = 64 * 1024;
  bool guarded = true;
  /// The server may compress its answer (gzip, deflate); answer_bytes_max bounds the plain text.
  bool compressed = false;
  std::string user_agent{"tayfa"};
};
struct outgoing_answer {
  unsigned status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers; ///< names in lower case
};

/// Identifies a sent call; never reused by one poster.
using call_ticket = std::uint64_t;

inline std::size_t body_size(const outgoing_call& call) {
  std::size_t bytes = call.body.size();
  for (const auto& piece : call.more) {
    bytes += piece.size();
  }
  return bytes;
}

class http_poster {
 public:
  virtual ~http_poster() = default;
  /// errc::webhook_refused: the guard refuses; bad_request: the method or a field is malformed;
  /// request_timeout, unavailable (refused, not found), payload_too_large, queue_full (too many
  /// calls wait; this one is not made), stopping, cancelled (dropped), io_error otherwise. Any HTTP
  /// status is a success here.
  virtual call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)> done) = 0;
  /// The caller no longer needs the answer. A call that has not begun ends with errc::cancelled at
  /// once. A running one half-closes its connection and still accepts an answer in flight: one that
  /// arrives within `linger` goes to `done` as usual, else `done` gets errc::cancelled. So an
  /// answer that the server has sent is never lost in between. Unknown and ended tickets are
  /// ignored.
  virtual void drop(call_ticket, std::chrono::milliseconds linger) = 0;
};

} // namespace tayfa
