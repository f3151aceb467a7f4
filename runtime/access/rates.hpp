// How often one asker may ask: for each route a bucket of tokens, and how many requests may be open
// at the same time. Pure but for what it remembers; time is an argument.
//
// Memory is bounded: when there are too many askers, full buckets (which say nothing) are
// forgotten, and who then finds no room shares one bucket with all others who found none.
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

/// By the first word of a route: "status" is "status/{id}". A bucket holds `requests` tokens and is
/// filled anew over `period`.
using rate_rules = std::map<std::string, route_rate, std::less<>>;

/// RunPod's own, of one endpoint (docs.runpod.io, serverless/endpoints/operations).
rate_rules runpod_rates();

/// Of http.rate_limits. errc::bad_config says which item is broken and how.
result<rate_rules> parse_rates(std::span<const std::string> items);

class rate_limiter {
 public:
  static constexpr std::size_t buckets_usual = 65'536;

  explicit rate_limiter(rate_rules rules, std::size_t buckets_max = buckets_usual);

  /// 0: `who` may go on, and done() follows. Else the seconds to wait.
  std::uint32_t take(std::string_view route, std::string_view who, moment now);
  void done(std::string_view route, std::string_view who);

  std::size_t buckets() const { return buckets_.size(); }

 private:
  /// A bucket of tokens, told by when it will be full again (GCRA, ITU-T I.371).
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

/// An IPv4 address as it is, of an IPv6 address the /64 that one customer has.
std::string network_of(std::string_view address);

} // namespace tayfa::access
