// How often a route may be asked, as the configuration writes it: "off", "runpod", or
// "run=1000/10s:200" (requests, a period, and how many at the same time; the last may be absent).
#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

struct route_rate {
  std::string route; ///< or "off", "runpod"; then nothing else is set
  std::uint32_t requests = 0;
  std::chrono::milliseconds period{0};
  std::uint32_t at_once = 0; ///< 0 = no bound
  bool operator==(const route_rate&) const = default;
};

/// errc::bad_config says what is wrong, after the text.
result<route_rate> parse_rate(std::string_view);

} // namespace tayfa
