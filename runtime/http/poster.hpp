// Calls to the outside (webhooks), without blocking anybody. One of the world's interfaces.
//
// A guarded call goes only to public addresses: the name is resolved once, every address is checked
// before a connection to it is made, no redirect is followed, only http and https, no other port
// than the allowed ones (reliability: SSRF). Thread safe; `done` is called exactly once, from the
// poster's own thread.
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
  std::vector<shared_text> more; ///< follows `body`: texts that others hold as well
  std::vector<std::pair<std::string, std::string>> headers;
  /// How long the call may stand still, once it runs: while it connects and sends, while the answer
  /// is worked on, and while that arrives.
  std::chrono::milliseconds timeout{10'000};
  /// Bytes a second that have to move over each `timeout` while it sends or receives, so that a
  /// large body may take its time and nobody holds a call with a byte now and then.
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

/// Names a call that was sent; never used twice by one poster.
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
  /// errc::webhook_refused: the guard says no; bad_request: the method or a field is malformed;
  /// request_timeout, unavailable (refused, not found), payload_too_large, queue_full (too many
  /// calls wait; this one is not made), stopping, cancelled (dropped), io_error otherwise. Any HTTP
  /// status is a success here.
  virtual call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)> done) = 0;
  /// The caller wants no answer any more. A call that has not begun ends errc::cancelled at once.
  /// One that runs tells the server so (it closes its sending side) and takes what had been sent
  /// already: an answer that comes within `linger` is given to `done` as usual, else `done` gets
  /// errc::cancelled. So what a server has answered is never lost between the two. Unknown and
  /// ended tickets are ignored.
  virtual void drop(call_ticket, std::chrono::milliseconds linger) = 0;
};

} // namespace tayfa
