// What a URL that a stranger gave says, before anything is resolved. Read by libcurl's own parser,
// so that what is checked is what is dialled. Pure.
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
  std::optional<ip_address> address; ///< when the host is one
};

inline constexpr std::size_t url_bytes_max = 2'048; ///< of a stranger's
/// Of one that is made here: RunPod's pings name every job that is in progress, each of them
/// percent-encoded (runtime/runpod: 65,536 bytes of ids).
inline constexpr std::size_t own_url_bytes_max = std::size_t{256} << 10;

/// http or https, a host, no user or password, no zone, at most `longest` visible ASCII characters.
/// errc::webhook_refused; the text repeats nothing of the URL, which may hold secrets.
result<parsed_url> parse_url(const std::string&, std::size_t longest = url_bytes_max);

/// What parse_url wants, a port of the web, and no address that the guard does not allow. A name
/// is only judged when its addresses are known: at each connection.
result<parsed_url> guarded_url(const std::string&, const address_guard&);

} // namespace tayfa
