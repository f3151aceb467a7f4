// A route's rate limit in the configuration's format: "off", "runpod", or "run=1000/10s:200"
// (requests, a period, and optionally the number of open requests).
#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

struct route_rate {
  std::string route; ///< or "off", "runpod"; then no other member is set
  std::uint32_t requests = 0;
  std::chrono::milliseconds period{0};
  std::uint32_t at_once = 0; ///< 0 = no limit
  bool operator==(const route_rate&) const = default;
};

/// errc::bad_config: its text completes "TEXT …".
result<route_rate> parse_rate(std::string_view);

} // namespace tayfa
