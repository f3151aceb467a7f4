// Endpoints of the pod link as text, judged before ZeroMQ sees them: its bind and connect accept
// names and ports that can never work, and try them for ever.
//
// Pure, but for resolve(), which asks the system and may take long.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::pods {

inline constexpr std::size_t host_bytes_max = 253; ///< of a name (RFC 1035)

struct tcp_endpoint {
  std::string host; ///< a name, or an address without brackets
  std::uint16_t port = 0;
  bool operator==(const tcp_endpoint&) const = default;
};

/// "HOST:PORT", "[::1]:PORT", with or without "tcp://". errc::bad_usage names the fault.
result<tcp_endpoint> parse_tcp(std::string_view);
/// "tcp://HOST:PORT", with brackets around an IPv6 address.
std::string to_string(const tcp_endpoint&);

/// True for an endpoint that only this machine reaches: an ipc path, or tcp on a loopback address.
/// A name is none, whatever it resolves to.
bool is_local(std::string_view endpoint);
/// An endpoint to listen at: tcp with an address (port 0 = any) or "*", or ipc with a path.
/// errc::bad_usage.
result<void> may_bind(std::string_view endpoint);

/// The addresses of the host, numeric, at most `most` of them in the system's order of preference.
/// errc::unavailable with the system's reason.
result<std::vector<tcp_endpoint>> resolve(const tcp_endpoint&, std::size_t most = 4);

} // namespace tayfa::pods
