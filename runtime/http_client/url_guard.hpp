// Checks a client's URL before anything is resolved. It is parsed by libcurl's own parser, so that
// the checked URL is the one that is called. Pure.
#pragma once

#include "messages/error.hpp"
#include "runtime/net/address_guard.hpp"

#include <cstdint>
#include <memory>
#include <string>

using CURLU = struct Curl_URL;

namespace tayfa {

struct url_deleter {
  void operator()(CURLU*) const;
};

struct parsed_url {
  std::unique_ptr<CURLU, url_deleter> parts;
  std::string host; ///< in lower case; IPv6 without brackets, IPv4 as four decimal numbers
  std::uint16_t port = 0;
  std::optional<ip_address> address; ///< set when the host is an address
};

inline constexpr std::size_t url_bytes_max = 2'048; ///< for a client's URL
/// For URLs made here: RunPod's pings name every job in progress, percent-encoded
/// (runtime/runpod_worker: 65,536 bytes of ids).
inline constexpr std::size_t own_url_bytes_max = std::size_t{256} << 10;

/// Accepts http or https, a host, no user or password, no zone, at most `longest` visible ASCII
/// characters. errc::webhook_refused; its text repeats nothing of the URL, which may hold secrets.
result<parsed_url> parse_url(const std::string&, std::size_t longest = url_bytes_max);

/// Also requires a web port and no address that the guard refuses. A name is judged only when its
/// addresses are known: at each connection.
result<parsed_url> guarded_url(const std::string&, const address_guard&);

} // namespace tayfa
