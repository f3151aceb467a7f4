// Which addresses a stranger may make us call: the guard of webhooks against server-side request
// forgery. Pure; nothing is resolved or dialled here.
//
// An address is public when it is global unicast and in no block of IANA's special-purpose
// registries, nor in any block that smuggles in an address that is not. The one table says so, a
// row per block with where it comes from; the longest matching row decides. Every row of the
// registries is closed, those marked "globally reachable" as well: they are anycast services whose
// nearest node may stand in one's own network. The one exception is NAT64, by which hosts with
// IPv6 only reach every receiver that has IPv4: there the embedded address is judged.
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
/// Nothing when it is neither IPv4 nor IPv6.
std::optional<ip_address> address_of(const sockaddr&);

/// A prefix. Of IPv4 it has at least 96 bits; one with fewer holds no IPv4 address.
struct address_block {
  ip_address first;
  unsigned bits = 128;

  bool contains(const ip_address&) const;
  bool operator==(const address_block&) const = default;
};

/// "10.0.0.0/8", "fd00::/8", "192.168.1.5". errc::bad_config says what is wrong, after the text.
result<address_block> parse_block(std::string_view);
/// The first wrong one is the error.
result<std::vector<address_block>> parse_blocks(std::span<const std::string>);

enum class reach : std::uint8_t {
  open,          ///< anybody's
  closed,        ///< not to be called for a stranger
  embedded_ipv4, ///< what its last 32 bits are
};

struct block_row {
  std::string_view prefix;
  reach verdict;
  std::string_view name;
  std::string_view source; ///< the RFC that gives the block its meaning
};

/// The table, the widest block of each family first.
std::span<const block_row> address_table();
/// The row that decides; for NAT64 it is the row of the prefix, not of what is embedded.
const block_row& row_of(const ip_address&);

bool is_public(const ip_address&);

/// 80, 443 and everything from 1024 on, but for ports whose services take commands line by line and
/// would read them out of a request's body, and those that browsers refuse (the Fetch standard's
/// "bad ports"). Receivers do live on odd ports, while below 1024 only 80 and 443 speak HTTP.
bool is_web_port(std::uint16_t);

/// Public addresses, and those the operator has named.
class address_guard {
 public:
  address_guard() = default;
  explicit address_guard(std::vector<address_block> allowed) : allowed_(std::move(allowed)) {}

  bool allows(const ip_address&) const;

 private:
  std::vector<address_block> allowed_;
};

} // namespace tayfa
