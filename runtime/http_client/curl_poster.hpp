// Outgoing HTTP calls through libcurl, all on one thread of their own.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/http_client/poster.hpp"
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
  /// Wide bounds: a RunPod worker holds long polls and posts results, all to one host.
  poster_bounds unguarded{.in_flight_max = 128,
                          .per_target_max = 128,
                          .open_max = 10'000,
                          .open_bytes_max = std::size_t{512} << 20};
  std::chrono::milliseconds connect_timeout{5'000};
  address_guard guard;
  std::string ca_file; ///< trusted CAs; empty: the system's list
  /// "name:port:address[,address]": addresses used instead of asking a name server. They are judged
  /// like any other.
  std::vector<std::string> pinned;
  /// The clock for timeouts; null = the system's. It outlives the poster.
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
