#include "runtime/pods_net/endpoint.hpp"

#include "runtime/base/text.hpp"
#include "runtime/net/address_guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <netdb.h>
#include <optional>
#include <sys/socket.h>

namespace tayfa::pods {

namespace {

constexpr std::string_view tcp = "tcp://";
constexpr std::string_view ipc = "ipc://";

tl::unexpected<error> wrong(std::string_view text, const char* why) {
  return fail(errc::bad_usage, text::quoted(text, 100) + " " + why +
                                   "; an address of the link is written tcp://HOST:PORT");
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= host_bytes_max && host.front() != '-' &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

/// Digits and dots only: an IPv4 address or a mistake, never a name.
bool looks_like_an_address(std::string_view host) {
  return host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_loopback(std::string_view host) {
  const auto address = parse_address(host);
  static const auto v4 = parse_block("127.0.0.0/8");
  static const auto v6 = parse_block("::1");
  return address && (v4->contains(*address) || v6->contains(*address));
}

result<tcp_endpoint> parse(std::string_view whole, bool any_port) {
  auto text = whole;
  if (text.starts_with(tcp)) {
    text.remove_prefix(tcp.size());
  } else if (text.find("://") != std::string_view::npos) {
    return wrong(whole, "is not a tcp address");
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return wrong(whole, "has no port");
  }
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const auto address = parse_address(host);
  if (bracketed ? !(address && !address->is_v4())
                : !(is_name(host) && (address || !looks_like_an_address(host)))) {
    return wrong(whole, "has no valid host (an IPv6 address needs brackets: [::1]:7000)");
  }
  const auto digits = text.substr(colon + 1);
  unsigned port = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || port > 65'535 ||
      (port == 0 && !any_port)) {
    return wrong(whole, "has no port from 1 to 65535");
  }
  return tcp_endpoint{std::string{host}, static_cast<std::uint16_t>(port)};
}

} // namespace

result<tcp_endpoint> parse_tcp(std::string_view text) {
  return parse(text, false);
}

std::string to_string(const tcp_endpoint& e) {
  const bool v6 = e.host.find(':') != std::string::npos;
  return std::string{tcp} + (v6 ? "[" + e.host + "]" : e.host) + ":" + std::to_string(e.port);
}

bool is_local(std::string_view endpoint) {
  if (endpoint.starts_with(ipc)) {
    return true;
  }
  const auto parsed = parse(endpoint, true);
  return parsed && is_loopback(parsed->host);
}

result<void> may_bind(std::string_view endpoint) {
  if (endpoint.starts_with(ipc)) {
    return endpoint.size() > ipc.size() ? result<void>{} : wrong(endpoint, "has no path");
  }
  if (!endpoint.starts_with(tcp)) {
    return wrong(endpoint, "is neither tcp nor ipc");
  }
  constexpr std::string_view all = "tcp://*:";
  const auto parsed = endpoint.starts_with(all)
                          ? parse("0.0.0.0:" + std::string{endpoint.substr(all.size())}, true)
                          : parse(endpoint, true);
  if (!parsed) {
    return fail(parsed.error());
  }
  return parse_address(parsed->host)
             ? result<void>{}
             : wrong(endpoint, "has a name; a head listens at an address of its own, or at *");
}

result<std::vector<tcp_endpoint>> resolve(const tcp_endpoint& named, std::size_t most) {
  if (parse_address(named.host)) {
    return std::vector{named};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(named.host.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner{found, ::freeaddrinfo};
  if (failed != 0) {
    return fail(errc::unavailable, "the host " + text::quoted(named.host) +
                                       " has no address: " + gai_strerror(failed));
  }
  std::vector<tcp_endpoint> out;
  for (const auto* one = found; one != nullptr && out.size() < most; one = one->ai_next) {
    std::array<char, 64> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      out.push_back({text.data(), named.port});
    }
  }
  if (out.empty()) {
    return fail(errc::unavailable, "the host " + text::quoted(named.host) + " has no address");
  }
  return out;
}

} // namespace tayfa::pods
