// Rate limits per client: for each route a token bucket, and a limit of open requests. Pure state;
// time is an argument.
//
// Memory is bounded: when there are too many clients, full buckets (which hold no information) are
// erased, and clients that still find no room share one bucket.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/config/rate.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tayfa::access {

/// Rules by the first word of a route: "status" is "status/{id}". A bucket holds `requests` tokens
/// and is refilled over `period`.
using rate_rules = std::map<std::string, route_rate, std::less<>>;

/// RunPod's limits for one endpoint (docs.runpod.io, serverless/endpoints/operations).
rate_rules runpod_rates();

/// Parses http.rate_limits. errc::bad_config names the broken item and its fault.
result<rate_rules> parse_rates(std::span<const std::string> items);

class rate_limiter {
 public:
  static constexpr std::size_t buckets_usual = 65'536;

  explicit rate_limiter(rate_rules rules, std::size_t buckets_max = buckets_usual);

  /// 0: `who` is admitted, and done() follows. Else the seconds to wait.
  std::uint32_t take(std::string_view route, std::string_view who, moment now);
  void done(std::string_view route, std::string_view who);

  std::size_t buckets() const { return buckets_.size(); }

 private:
  /// A token bucket, represented by the time when it is full again (GCRA, ITU-T I.371).
  struct bucket {
    moment full_at{};
    std::uint32_t open = 0;
  };

  const route_rate* rule_of(std::string_view route) const;
  bucket& bucket_of(std::string_view route, std::string_view who, moment now);
  void forget_full(moment now);

  rate_rules rules_;
  std::size_t buckets_max_;
  std::unordered_map<std::string, bucket> buckets_;
  moment may_forget_at_{};
};

/// An IPv4 address unchanged; of an IPv6 address the /64, which one customer has.
std::string network_of(std::string_view address);

} // namespace tayfa::access
