#include "runtime/net/address_guard.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tayfa {

namespace {

constexpr std::array<std::uint8_t, 12> v4_front{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned v4_bits = 96;

// clang-format off
constexpr block_row table[] = {
    // ---- IPv4 ----
    {"0.0.0.0/0",          reach::open,          "IPv4 unicast",                        "RFC 791"},
    {"0.0.0.0/8",          reach::closed,        "this network",                        "RFC 791, 1122"},
    {"10.0.0.0/8",         reach::closed,        "private use",                         "RFC 1918"},
    {"100.64.0.0/10",      reach::closed,        "shared address space (CGNAT)",        "RFC 6598"},
    {"127.0.0.0/8",        reach::closed,        "loopback",                            "RFC 1122"},
    {"168.63.129.16/32",   reach::closed,        "Azure's host agent, on every guest",  "Microsoft Learn: what is 168.63.129.16"},
    {"169.254.0.0/16",     reach::closed,        "link local, clouds' metadata",        "RFC 3927"},
    {"172.16.0.0/12",      reach::closed,        "private use",                         "RFC 1918"},
    {"192.0.0.0/24",       reach::closed,        "IETF protocol assignments",           "RFC 6890"},
    {"192.0.0.0/29",       reach::closed,        "IPv4 service continuity (DS-Lite)",   "RFC 7335"},
    {"192.0.0.8/32",       reach::closed,        "IPv4 dummy address",                  "RFC 7600"},
    {"192.0.0.9/32",       reach::closed,        "Port Control Protocol anycast",       "RFC 7723"},
    {"192.0.0.10/32",      reach::closed,        "TURN anycast",                        "RFC 8155"},
    {"192.0.0.170/31",     reach::closed,        "NAT64/DNS64 discovery",               "RFC 8880, 7050"},
    {"192.0.2.0/24",       reach::closed,        "documentation (TEST-NET-1)",          "RFC 5737"},
    {"192.31.196.0/24",    reach::closed,        "AS112 anycast",                       "RFC 7535"},
    {"192.52.193.0/24",    reach::closed,        "automatic multicast tunnelling",      "RFC 7450"},
    {"192.88.99.0/24",     reach::closed,        "6to4 relay anycast (retired)",        "RFC 7526"},
    {"192.168.0.0/16",     reach::closed,        "private use",                         "RFC 1918"},
    {"192.175.48.0/24",    reach::closed,        "AS112 direct delegation anycast",     "RFC 7534"},
    {"198.18.0.0/15",      reach::closed,        "benchmarking",                        "RFC 2544"},
    {"198.51.100.0/24",    reach::closed,        "documentation (TEST-NET-2)",          "RFC 5737"},
    {"203.0.113.0/24",     reach::closed,        "documentation (TEST-NET-3)",          "RFC 5737"},
    {"224.0.0.0/4",        reach::closed,        "multicast",                           "RFC 5771"},
    {"240.0.0.0/4",        reach::closed,        "reserved",                            "RFC 1112"},
    {"255.255.255.255/32", reach::closed,        "limited broadcast",                   "RFC 919, 8190"},
    // ---- IPv6 ----
    {"::/0",               reach::closed,        "not given out",                       "RFC 4291"},
    {"::/96",              reach::closed,        "IPv4-compatible (retired)",           "RFC 4291"},
    {"::/128",             reach::closed,        "unspecified",                         "RFC 4291"},
    {"::1/128",            reach::closed,        "loopback",                            "RFC 4291"},
    {"::ffff:0:0:0/96",    reach::closed,        "IPv4-translated (SIIT)",              "RFC 2765, 7915"},
    {"64:ff9b::/96",       reach::embedded_ipv4, "NAT64, well-known prefix",            "RFC 6052"},
    {"64:ff9b:1::/48",     reach::closed,        "NAT64, for local use",                "RFC 8215"},
    {"100::/64",           reach::closed,        "discard only",                        "RFC 6666"},
    {"100:0:0:1::/64",     reach::closed,        "dummy prefix",                        "RFC 9780"},
    {"2000::/3",           reach::open,          "global unicast",                      "RFC 4291"},
    {"2001::/23",          reach::closed,        "IETF protocol assignments",           "RFC 2928"},
    {"2001::/32",          reach::closed,        "Teredo, embeds IPv4 twice",           "RFC 4380"},
    {"2001:1::1/128",      reach::closed,        "Port Control Protocol anycast",       "RFC 7723"},
    {"2001:1::2/128",      reach::closed,        "TURN anycast",                        "RFC 8155"},
    {"2001:1::3/128",      reach::closed,        "DNS-SD registration anycast",         "RFC 9665"},
    {"2001:2::/48",        reach::closed,        "benchmarking",                        "RFC 5180"},
    {"2001:3::/32",        reach::closed,        "automatic multicast tunnelling",      "RFC 7450"},
    {"2001:4:112::/48",    reach::closed,        "AS112 anycast",                       "RFC 7535"},
    {"2001:10::/28",       reach::closed,        "ORCHID (retired)",                    "RFC 4843"},
    {"2001:20::/28",       reach::closed,        "ORCHIDv2",                            "RFC 7343"},
    {"2001:30::/28",       reach::closed,        "drone remote identification",         "RFC 9374"},
    {"2001:db8::/32",      reach::closed,        "documentation",                       "RFC 3849"},
    {"2002::/16",          reach::closed,        "6to4 (retired), embeds IPv4",         "RFC 3056, 7526"},
    {"2620:4f:8000::/48",  reach::closed,        "AS112 direct delegation anycast",     "RFC 7534"},
    {"3ffe::/16",          reach::closed,        "6bone (retired)",                     "RFC 3701"},
    {"3fff::/20",          reach::closed,        "documentation",                       "RFC 9637"},
    {"5f00::/16",          reach::closed,        "segment routing identifiers",         "RFC 9602"},
    {"fc00::/7",           reach::closed,        "unique local, clouds' metadata",      "RFC 4193"},
    {"fe80::/10",          reach::closed,        "link local",                          "RFC 4291"},
    {"fec0::/10",          reach::closed,        "site local (retired)",                "RFC 3879"},
    {"ff00::/8",           reach::closed,        "multicast",                           "RFC 4291"},
};

/// Blocked ports from 1024 on: the Fetch standard's bad ports, and two line-based stores.
constexpr std::uint16_t closed_ports[] = {
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    6379,  // Redis
    11211, // memcached
};
// clang-format on

constexpr std::uint16_t first_open_port = 1024;

struct judged_block {
  address_block block;
  const block_row* row;
};

/// Sorted by prefix length, longest first, so that the first match decides.
const std::vector<judged_block>& judged() {
  static const std::vector<judged_block> rows = [] {
    std::vector<judged_block> out;
    for (const auto& row : address_table()) {
      out.push_back({parse_block(row.prefix).value(), &row});
    }
    std::stable_sort(out.begin(), out.end(), [](const judged_block& a, const judged_block& b) {
      return a.block.bits > b.block.bits;
    });
    return out;
  }();
  return rows;
}

ip_address of_v4(const void* four_bytes) {
  ip_address out;
  std::copy(v4_front.begin(), v4_front.end(), out.bytes.begin());
  std::memcpy(out.bytes.data() + v4_front.size(), four_bytes, 4);
  return out;
}

/// Mask of the bits of one byte that lie within the first `bits` of the address.
std::uint8_t mask_of(std::size_t byte, unsigned bits) {
  const auto inside = std::clamp<int>(static_cast<int>(bits) - static_cast<int>(byte) * 8, 0, 8);
  return static_cast<std::uint8_t>(0xff00U >> inside);
}

} // namespace

bool ip_address::is_v4() const {
  return std::equal(v4_front.begin(), v4_front.end(), bytes.begin());
}

std::optional<ip_address> parse_address(std::string_view text) {
  const std::string whole{text};
  if (whole.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  in_addr four{};
  if (::inet_pton(AF_INET, whole.c_str(), &four) == 1) {
    return of_v4(&four);
  }
  ip_address out;
  if (::inet_pton(AF_INET6, whole.c_str(), out.bytes.data()) == 1) {
    return out;
  }
  return std::nullopt;
}

std::optional<ip_address> address_of(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &from, sizeof four);
    return of_v4(&four.sin_addr);
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &from, sizeof six);
    ip_address out;
    std::memcpy(out.bytes.data(), &six.sin6_addr, out.bytes.size());
    return out;
  }
  return std::nullopt;
}

bool address_block::contains(const ip_address& address) const {
  if (bits < v4_bits && address.is_v4()) {
    return false;
  }
  for (std::size_t i = 0; i < address.bytes.size(); ++i) {
    if (((address.bytes[i] ^ first.bytes[i]) & mask_of(i, bits)) != 0) {
      return false;
    }
  }
  return true;
}

result<address_block> parse_block(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) {
    return fail(errc::bad_config, "is no address or block such as 10.0.0.0/8 or fd00::/8");
  }
  // "::ffff:10.0.0.0/104" counts its bits in IPv6, "10.0.0.0/8" in IPv4.
  const bool v4_text = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned before = v4_text ? v4_bits : 0;
  unsigned bits = 128 - before;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const char* const last = digits.data() + digits.size();
    unsigned given = 0;
    const auto [rest, ec] = std::from_chars(digits.data(), last, given);
    if (ec != std::errc{} || rest != last || given > bits) {
      return fail(errc::bad_config, "has no prefix length from 0 to " + std::to_string(bits));
    }
    bits = given;
  }
  const address_block out{*address, before + bits};
  for (std::size_t i = 0; i < address->bytes.size(); ++i) {
    if ((address->bytes[i] & ~mask_of(i, out.bits)) != 0) {
      return fail(errc::bad_config, "has bits set beyond its prefix length");
    }
  }
  return out;
}

result<std::vector<address_block>> parse_blocks(std::span<const std::string> texts) {
  std::vector<address_block> out;
  for (const auto& text : texts) {
    const auto block = parse_block(text);
    if (!block) {
      return fail(block.error().code, "\"" + text + "\" " + block.error().text);
    }
    out.push_back(*block);
  }
  return out;
}

std::span<const block_row> address_table() {
  return table;
}

const block_row& row_of(const ip_address& address) {
  const auto& rows = judged();
  // The table has 0.0.0.0/0 and ::/0, so some row always matches.
  return *std::find_if(rows.begin(), rows.end(), [&address](const judged_block& j) {
            return j.block.contains(address);
          })->row;
}

bool is_public(const ip_address& address) {
  switch (row_of(address).verdict) {
  case reach::open: return true;
  case reach::closed: return false;
  case reach::embedded_ipv4: return is_public(of_v4(address.bytes.data() + v4_front.size()));
  }
  return false;
}

bool is_web_port(std::uint16_t port) {
  if (port < first_open_port) {
    return port == 80 || port == 443;
  }
  return std::find(std::begin(closed_ports), std::end(closed_ports), port) ==
         std::end(closed_ports);
}

bool address_guard::allows(const ip_address& address) const {
  return is_public(address) ||
         std::any_of(allowed_.begin(), allowed_.end(),
                     [&address](const address_block& b) { return b.contains(address); });
}

} // namespace tayfa
