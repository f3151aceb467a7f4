// The guard of webhooks against server-side request forgery: decides which addresses a client's URL
// may make us call. Pure; it resolves nothing and connects to nothing.
//
// An address is public when it is global unicast and in no block of IANA's special-purpose
// registries, nor in a block that embeds a non-public address. One table decides: each row is a
// block with its source, and the longest matching row wins. Every row of the registries is closed,
// also those marked "globally reachable": they are anycast services whose nearest node may be in
// our own network. The exception is NAT64, through which IPv6-only hosts reach every IPv4 receiver:
// there the embedded address is judged.
#pragma once

#include "messages/error.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace tayfa {

/// IPv4 is kept as ::ffff:a.b.c.d, so that an IPv4-mapped IPv6 address is the IPv4 address it
/// reaches.
struct ip_address {
  std::array<std::uint8_t, 16> bytes{};

  bool is_v4() const;
  bool operator==(const ip_address&) const = default;
};

/// "192.0.2.1", "2001:db8::1"; four decimal numbers or IPv6, no other spelling, no zone.
std::optional<ip_address> parse_address(std::string_view);
/// Empty when the socket address is neither IPv4 nor IPv6.
std::optional<ip_address> address_of(const sockaddr&);

/// A prefix. Of IPv4 it has at least 96 bits; one with fewer holds no IPv4 address.
struct address_block {
  ip_address first;
  unsigned bits = 128;

  bool contains(const ip_address&) const;
  bool operator==(const address_block&) const = default;
};

/// "10.0.0.0/8", "fd00::/8", "192.168.1.5". errc::bad_config: its text completes "TEXT …".
result<address_block> parse_block(std::string_view);
/// The error is that of the first malformed text.
result<std::vector<address_block>> parse_blocks(std::span<const std::string>);

enum class reach : std::uint8_t {
  open,          ///< callable for every client
  closed,        ///< not callable for a client's URL
  embedded_ipv4, ///< judged as its last 32 bits, an IPv4 address
};

struct block_row {
  std::string_view prefix;
  reach verdict;
  std::string_view name;
  std::string_view source; ///< the RFC that gives the block its meaning
};

/// The table, the widest block of each family first.
std::span<const block_row> address_table();
/// The longest matching row; for NAT64 the row of the prefix, not of the embedded address.
const block_row& row_of(const ip_address&);

bool is_public(const ip_address&);

/// True for 80, 443 and ports from 1024 on, except ports of line-based protocols that would execute
/// commands found in a request's body, and those that browsers block (the Fetch standard's "bad
/// ports"). Receivers do use odd ports, but below 1024 only 80 and 443 speak HTTP.
bool is_web_port(std::uint16_t);

/// Allows public addresses, and those that the operator has listed.
class address_guard {
 public:
  address_guard() = default;
  explicit address_guard(std::vector<address_block> allowed) : allowed_(std::move(allowed)) {}

  bool allows(const ip_address&) const;

 private:
  std::vector<address_block> allowed_;
};

} // namespace tayfa
