// The HTTP server: real sockets behind http_gateway, on one thread of its own.
//
// Who is who: http_server (owned by the composition root) owns the thread and http_core
// (connection.hpp), which lives on that thread; http_core owns the connections. Replies may be
// sent, and dropped, from any thread and even after the server is gone; an answer for a client that
// has left goes nowhere.
//
// Bounds, all of them options: connections, bytes of head and body, bytes of all bodies that are
// being received, bytes of all answers that are leaving, and time for each phase of a request (for
// bodies and answers: a time without progress, and a least rate).
// Every refusal is an answer in api::refuse's shape; after one that leaves the stream in doubt the
// connection is closed. A request for which there is no memory is answered 503, or its connection
// closed; the others go on.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/base/byte_budget.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/http/gateway.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace tayfa {

struct http_options {
  std::string listen = "127.0.0.1:8000"; ///< "host:port", "[v6]:port"; port 0 takes a free one
  /// A second address that answers health checks only (api.health_path and /ping), with places of
  /// its own, so that a full house is still told from a dead one. Empty: none.
  std::string health_listen;
  /// Names beside localhost that Host and Origin may have while nobody needs a key
  /// (host_names.hpp).
  std::vector<std::string> hosts{};
  api::limits api;
  std::size_t connections_max = 1'024;
  /// Connections beyond the limit that are being told so; more are dropped without a word.
  std::size_t turned_away_max = 64;
  std::size_t health_connections_max = 64; ///< a probe comes, asks and goes: for those that stay
  std::size_t streams_max = 512; ///< of the connections, how many may be streamed to (/events)
  std::size_t receiving_bytes_max = std::size_t{512}
                                    << 20; ///< announced bodies in arrival, together
  /// Answers above a few KiB that have not left yet, together; beyond it 503. A text that several
  /// of them hold counts once.
  byte_budget answers{std::size_t{256} << 20};
  /// Such an answer of which nothing is taken for so long is given up; sooner when others want its
  /// place.
  milliseconds answer_stall{20'000};
  milliseconds header_timeout{10'000}; ///< first byte of a request to the end of its head
  /// How long a body that comes, or an answer that leaves, may stand still, and the time over which
  /// least_rate is measured (transfer_pace.hpp).
  milliseconds body_timeout{60'000};
  std::uint64_t least_rate = 1'024;      ///< bytes a second
  milliseconds stream_heartbeat{15'000}; ///< a stream with nothing to say says so, this often
  milliseconds idle_timeout{620'000};    ///< connection without a request
  /// Connections are full: who has been idle, or at the head of a request, for so long may be
  /// closed for others.
  milliseconds undisturbed{1'000};
  milliseconds close_grace{1'000}; ///< close(): how long open answers may take to leave
  /// After a last answer the rest of what the client sends is thrown away, so that the answer is
  /// not lost in a reset, until nothing has come for so long. Also how long a client that has
  /// closed its sending side is still waited on with its answer.
  milliseconds linger{2'000};
  milliseconds linger_longest{30'000}; ///< however much still comes
  /// By which clients are timed; null = the system's. It outlives the server.
  const time_source* time = nullptr;
  /// Called on the server's thread after each answer was chosen, with its status. Must not block.
  std::function<void(unsigned status)> answered;
  /// Called on the server's thread when the last large body or answer has been gone for two
  /// seconds.
  std::function<void()> quiet;
  /// Called on the server's thread when something outside of any request goes wrong (no descriptors
  /// left).
  std::function<void(const error&)> trouble;
};

class http_core;

class http_server final : public http_gateway {
 public:
  explicit http_server(http_options);
  /// Closes at once and joins the thread. Not to be called from a callback of this server.
  ~http_server() override;
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  void open(call_sink sink, std::function<void(result<std::string>)> done) override;
  void redirect(call_sink sink) override;
  void close(std::function<void()> done) override;
  /// The bound one; only once open() has called back.
  std::string health_address() const;

 private:
  std::shared_ptr<http_core> core_;
  std::thread thread_;
};

} // namespace tayfa
