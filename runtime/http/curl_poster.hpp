// Calls to the outside through libcurl, all of them on one thread of its own.
//
// What always holds: at most `in_flight_max` calls run and at most `per_target_max` of them to one
// host and port, so that a receiver that hangs does not hold back the others; calls wait per
// target, targets take turns. Beyond `open_max` calls or `open_bytes_max` bytes of them a call is
// answered errc::queue_full at once: it was not made. Guarded calls (strangers' webhooks) and
// unguarded ones (the operator's own) have bounds of their own, so that no webhook takes a place
// from the latter. TLS peers are verified, redirects are answers, proxies of the environment are
// used by unguarded calls only: behind a proxy no address could be judged.
//
// A dropped call's socket is closed for sending (TLS: without a word of farewell, which libcurl has
// no way to say); its connection serves no other call, and libcurl may not ask again on another
// one. A call whose request has not left whole when it is dropped ends at once.
//
// A guarded call is judged three times: its URL's text, each address before a socket to it is
// made, and the address of the connection before anything is sent on it, so that neither a name
// that changes its address nor a connection that an unguarded call left open gets around the guard.
//
// `timeout` counts from the moment a call starts to run, not while it waits, and on the pod's
// clock: what came while the pod itself did not run is read before a call is given up. A connection
// that was being made meanwhile is begun anew. `done` must not throw and must not destroy the
// poster. The destructor answers every open call errc::stopping.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/http/poster.hpp"
#include "runtime/net/address_guard.hpp"

#include <memory>

namespace tayfa {

struct poster_bounds {
  std::size_t in_flight_max = 32;
  std::size_t per_target_max = 8;
  std::size_t open_max = 10'000; ///< waiting and running
  std::size_t open_bytes_max = std::size_t{256} << 20;
};

struct poster_options {
  poster_bounds guarded;
  /// Wide: a RunPod worker holds long polls and posts results, all to one host.
  poster_bounds unguarded{.in_flight_max = 128,
                          .per_target_max = 128,
                          .open_max = 10'000,
                          .open_bytes_max = std::size_t{512} << 20};
  std::chrono::milliseconds connect_timeout{5'000};
  address_guard guard;
  std::string ca_file; ///< whom to trust; empty: the system's list
  /// "name:port:address[,address]": addresses of names, instead of asking a name server. They are
  /// judged like any other.
  std::vector<std::string> pinned;
  /// By which calls are timed; null = the system's. It outlives the poster.
  const time_source* time = nullptr;
};

class curl_poster final : public http_poster {
 public:
  /// Throws std::runtime_error when libcurl cannot be used: no memory, no file descriptors.
  explicit curl_poster(poster_options = {});
  ~curl_poster() override;
  curl_poster(const curl_poster&) = delete;
  curl_poster& operator=(const curl_poster&) = delete;

  call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)> done) override;
  void drop(call_ticket, std::chrono::milliseconds linger) override;

 private:
  class worker;
  std::unique_ptr<worker> worker_;
};

} // namespace tayfa
