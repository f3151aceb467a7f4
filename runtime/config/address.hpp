// Listen addresses: "127.0.0.1:8000", "[::1]:8000", "name:8000". Pure; nothing is resolved here.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

struct listen_address {
  std::string host; ///< without brackets
  std::uint16_t port = 0;
  bool loopback = false; ///< reachable from this machine only: 127.0.0.0/8, ::1, localhost
  bool operator==(const listen_address&) const = default;
};

/// errc::bad_config, with a text such as `port 70000 is above 65535`.
result<listen_address> parse_listen_address(std::string_view);

} // namespace tayfa
