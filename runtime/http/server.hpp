// The HTTP server: implements http_gateway with real sockets, on one thread of its own.
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
  std::string listen = "127.0.0.1:8000"; ///< "host:port", "[v6]:port"; port 0 picks a free one
  /// A second address that answers health checks only (api.health_path and /ping), with its own
  /// connection limit, so that health checks succeed while the main listener is saturated. Empty:
  /// none.
  std::string health_listen;
  /// Names, besides localhost, allowed in Host and Origin while no key is needed (host_names.hpp).
  std::vector<std::string> hosts{};
  api::limits api;
  std::size_t connections_max = 1'024;
  /// Connections beyond the limit that are still answered 503; more are dropped silently.
  std::size_t rejected_max = 64;
  std::size_t health_connections_max = 64; ///< a probe connects, asks and leaves: this bounds those
                                           ///< that stay
  std::size_t streams_max = 512;           ///< connections that may be streamed to (/events)
  std::size_t receiving_bytes_max = std::size_t{512}
                                    << 20; ///< all announced bodies being received, together
  /// Bytes of all unsent answers above a few KiB; beyond it 503. A text shared by several counts
  /// once.
  byte_budget answers{std::size_t{256} << 20};
  /// Such an answer is given up after so long without progress; sooner when others need its room.
  milliseconds answer_stall{20'000};
  milliseconds header_timeout{10'000}; ///< first byte of a request to the end of its head
  /// Stall limit of a body being received or an answer being sent, and the time over which
  /// least_rate is measured (transfer_pace.hpp).
  milliseconds body_timeout{60'000};
  std::uint64_t least_rate = 1'024;      ///< bytes a second
  milliseconds stream_heartbeat{15'000}; ///< a silent stream sends a heartbeat this often
  milliseconds idle_timeout{620'000};    ///< connection without a request
  /// When connections are full, those idle, or still sending a head, for so long may be closed for
  /// others.
  milliseconds undisturbed{1'000};
  milliseconds close_grace{1'000}; ///< close(): time for open answers to be sent
  /// After a last answer further input is discarded until none has come for so long, so that the
  /// answer is not lost in a reset. Also how long a client that has closed its sending side still
  /// gets its answer.
  milliseconds linger{2'000};
  milliseconds linger_longest{30'000}; ///< even if input keeps coming
  /// The clock that times clients; null = the system's. It outlives the server.
  const time_source* time = nullptr;
  /// Called on the server's thread with the status of each chosen answer. Must not block.
  std::function<void(unsigned status)> answered;
  /// Called on the server's thread two seconds after the last large body or answer is finished.
  std::function<void()> quiet;
  /// Called on the server's thread for faults outside of any request (no descriptors left).
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
  /// The bound address; only once open() has called back.
  std::string health_address() const;

 private:
  std::shared_ptr<http_core> core_;
  std::thread thread_;
};

} // namespace tayfa
