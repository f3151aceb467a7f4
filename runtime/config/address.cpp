#include "runtime/config/address.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <optional>

namespace tayfa {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// True for labels of letters, digits and inner hyphens (RFC 1123), the last one not a number,
/// which would be an IPv4 address.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) {
    return false;
  }
  std::string_view label;
  while (true) {
    const std::size_t dot = host.find('.');
    label = host.substr(0, dot);
    const bool shaped =
        !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
        std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
    if (!shaped) {
      return false;
    }
    if (dot == std::string_view::npos) {
      break;
    }
    host.remove_prefix(dot + 1);
  }
  return !std::all_of(label.begin(), label.end(), is_digit);
}

/// True for a loopback host; empty when the text is no host.
std::optional<bool> loopback_host(const std::string& host, bool bracketed) {
  if (bracketed) {
    in6_addr v6{};
    if (::inet_pton(AF_INET6, host.c_str(), &v6) != 1) {
      return std::nullopt;
    }
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6) != 0;
    return IN6_IS_ADDR_LOOPBACK(&v6) != 0 || (mapped && v6.s6_addr[12] == 127);
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  if (!is_host_name(host)) {
    return std::nullopt;
  }
  return host == "localhost";
}

tl::unexpected<error> refuse(std::string why) {
  return fail(errc::bad_config, std::move(why));
}

} // namespace

result<listen_address> parse_listen_address(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t colon = text.rfind(':');
  if (text.size() > 300 || colon == std::string_view::npos ||
      (bracketed && (colon < 2 || text[colon - 1] != ']'))) {
    return refuse("is not an address: write host:port or [v6]:port");
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("is not an address: an IPv6 host is written in brackets, [v6]:port");
  }
  if (host.empty()) {
    return refuse("has no host: write 127.0.0.1 for this machine only, 0.0.0.0 for every address");
  }
  listen_address out;
  out.host = host;
  const bool digits = !port.empty() && std::all_of(port.begin(), port.end(), is_digit);
  if (!digits) {
    return refuse("has no port: a number from 0 to 65535 follows the last colon");
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (parsed.ec != std::errc{}) {
    return refuse("port " + text::quoted(port, 64) + " is above 65535");
  }
  const auto loopback = loopback_host(out.host, bracketed);
  if (!loopback) {
    return refuse("host " + text::quoted(host, 100) +
                  " is neither a name nor an IPv4 address nor a [v6] address");
  }
  out.loopback = *loopback;
  return out;
}

} // namespace tayfa
