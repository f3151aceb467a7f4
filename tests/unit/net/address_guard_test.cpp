// The table of addresses against ranges written down a second time, in another form, and against
// its own edges.
#include "runtime/net/address_guard.hpp"

#include "tests/support/property.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <set>

namespace tayfa {
namespace {

using ::testing::HasSubstr;

ip_address at(std::string_view text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(ip_address{});
}

ip_address v4(std::uint32_t number) {
  ip_address out = at("::ffff:0.0.0.0");
  for (int i = 0; i < 4; ++i) {
    out.bytes[static_cast<std::size_t>(12 + i)] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  return out;
}

struct range {
  std::uint32_t first;
  std::uint32_t last;
};
/// The non-public ranges of IPv4, as first and last address.
constexpr range closed_v4[] = {
    {0x00000000, 0x00ffffff}, {0x0a000000, 0x0affffff}, {0x64400000, 0x647fffff},
    {0x7f000000, 0x7fffffff}, {0xa83f8110, 0xa83f8110}, {0xa9fe0000, 0xa9feffff},
    {0xac100000, 0xac1fffff}, {0xc0000000, 0xc00000ff}, {0xc0000200, 0xc00002ff},
    {0xc01fc400, 0xc01fc4ff}, {0xc034c100, 0xc034c1ff}, {0xc0586300, 0xc05863ff},
    {0xc0a80000, 0xc0a8ffff}, {0xc0af3000, 0xc0af30ff}, {0xc6120000, 0xc613ffff},
    {0xc6336400, 0xc63364ff}, {0xcb007100, 0xcb0071ff}, {0xe0000000, 0xffffffff}};

bool naive_public(std::uint32_t number) {
  return std::none_of(std::begin(closed_v4), std::end(closed_v4),
                      [number](range r) { return number >= r.first && number <= r.last; });
}

TEST(address_guard, ipv4_is_as_the_ranges_say_at_every_edge) {
  for (const auto [first, last] : closed_v4) {
    for (const std::uint32_t number : {first - 1, first, first + 1, last - 1, last, last + 1}) {
      EXPECT_EQ(is_public(v4(number)), naive_public(number)) << std::hex << number;
    }
  }
}

TEST(address_guard, ipv4_is_as_the_ranges_say_anywhere) {
  EXPECT_TRUE(testing::property(20'000, [](std::uint32_t number) {
    RC_ASSERT(is_public(v4(number)) == naive_public(number));
  }));
}

/// Near an edge of a block is where a wrong mask shows.
TEST(address_guard, a_random_bit_within_a_closed_block_keeps_it_closed) {
  const auto rows = address_table();
  EXPECT_TRUE(
      testing::property(20'000, [rows](std::uint32_t which, std::array<std::uint8_t, 16> noise) {
        const auto& row = rows[which % rows.size()];
        const address_block block = parse_block(row.prefix).value();
        ip_address inside = block.first;
        for (unsigned bit = block.bits; bit < 128; ++bit) {
          const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
          inside.bytes[bit / 8] =
              static_cast<std::uint8_t>(inside.bytes[bit / 8] | (noise[bit / 8] & mask));
        }
        RC_ASSERT(block.contains(inside));
        if (row.verdict == reach::closed && row.prefix != "::/0") {
          RC_ASSERT(!is_public(inside));
        }
        if (block.bits > 0 && block.bits != 96) {
          ip_address outside = inside;
          const unsigned bit = block.bits - 1;
          outside.bytes[bit / 8] =
              static_cast<std::uint8_t>(outside.bytes[bit / 8] ^ (0x80U >> (bit % 8)));
          RC_ASSERT(!block.contains(outside));
        }
      }));
}

/// Outside 2000::/3 nothing of IPv6 is public but what reaches a public IPv4 address.
TEST(address_guard, ipv6_outside_global_unicast_is_closed) {
  EXPECT_TRUE(testing::property(20'000, [](std::array<std::uint8_t, 16> bytes) {
    const ip_address address{bytes};
    if ((bytes[0] & 0xe0) != 0x20) {
      RC_ASSERT(!is_public(address));
    }
  }));
}

TEST(address_guard, what_embeds_an_ipv4_address_is_no_way_around) {
  EXPECT_TRUE(testing::property(20'000, [](std::uint32_t number) {
    ip_address nat64 = at("64:ff9b::");
    ip_address compatible = at("::");
    ip_address six_to_four = at("2002::1");
    ip_address teredo = at("2001:0:102:304::");
    ip_address translated = at("::ffff:0:0:0");
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t byte = v4(number).bytes[12 + i];
      nat64.bytes[12 + i] = compatible.bytes[12 + i] = translated.bytes[12 + i] = byte;
      six_to_four.bytes[2 + i] = byte;
      teredo.bytes[12 + i] = static_cast<std::uint8_t>(~byte);
    }
    RC_ASSERT(is_public(nat64) == naive_public(number));
    RC_ASSERT(!is_public(compatible));
    RC_ASSERT(!is_public(translated));
    RC_ASSERT(!is_public(six_to_four));
    RC_ASSERT(!is_public(teredo));
  }));
}

TEST(address_guard, well_known_addresses) {
  for (const auto text : {"127.0.0.1",
                          "0.0.0.0",
                          "10.1.2.3",
                          "172.31.255.255",
                          "192.168.0.1",
                          "169.254.169.254",
                          "100.100.100.200",
                          "192.0.0.192",
                          "168.63.129.16",
                          "255.255.255.255",
                          "224.0.0.251",
                          "::",
                          "::1",
                          "::ffff:127.0.0.1",
                          "::ffff:7f00:1",
                          "::127.0.0.1",
                          "64:ff9b::169.254.169.254",
                          "64:ff9b:1::1",
                          "fe80::1",
                          "fd00:ec2::254",
                          "fd20:ce::254",
                          "ff02::1",
                          "fec0::1",
                          "2001:db8::1",
                          "2002:7f00:1::",
                          "2001::1",
                          "100::1",
                          "3fff::1",
                          "5f00::1"}) {
    EXPECT_FALSE(is_public(at(text))) << text;
  }
  for (const auto text :
       {"1.1.1.1", "8.8.8.8", "93.184.215.14", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2400:cb00::1"}) {
    EXPECT_TRUE(is_public(at(text))) << text;
  }
}

TEST(address_guard, every_row_is_a_block_of_its_own_with_a_name_and_a_source) {
  std::set<std::string_view> seen;
  for (const auto& row : address_table()) {
    const auto block = parse_block(row.prefix);
    ASSERT_TRUE(block) << row.prefix << " " << block.error().str();
    EXPECT_TRUE(seen.insert(row.prefix).second) << row.prefix;
    EXPECT_FALSE(row.name.empty());
    EXPECT_FALSE(row.source.empty());
    if (row.prefix == "0.0.0.0/0") {
      continue; // its first and last addresses are in narrower rows
    }
    EXPECT_EQ(row_of(block->first).verdict, row.verdict)
        << row.prefix << " is decided by " << row_of(block->first).prefix;
  }
}

TEST(address_guard, only_plain_spellings_are_addresses) {
  for (const auto text :
       {"", "1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4.5", "1.2.3.256",
        "01.2.3.4", "1.2.3.4 ", "[::1]", "fe80::1%lo", ":::", "g::"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_FALSE(parse_address(std::string_view{"1.2.3.4\0", 8}));
  EXPECT_EQ(at("::ffff:1.2.3.4"), at("1.2.3.4"));
}

TEST(address_guard, addresses_of_sockets) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(0x0a000001);
  EXPECT_EQ(address_of(reinterpret_cast<const sockaddr&>(four)), at("10.0.0.1"));
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_loopback;
  EXPECT_EQ(address_of(reinterpret_cast<const sockaddr&>(six)), at("::1"));
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(address_of(other));
}

TEST(address_guard, blocks_are_read_strictly) {
  EXPECT_TRUE(parse_block("10.0.0.0/8").value().contains(at("10.255.0.1")));
  EXPECT_FALSE(parse_block("10.0.0.0/8").value().contains(at("11.0.0.0")));
  EXPECT_EQ(parse_block("192.168.1.5").value().bits, 128U);
  EXPECT_TRUE(parse_block("fd00::/8").value().contains(at("fdff::1")));
  EXPECT_TRUE(parse_block("0.0.0.0/0").value().contains(at("1.2.3.4")));
  EXPECT_FALSE(parse_block("0.0.0.0/0").value().contains(at("::1")));
  // Allowing all of IPv6 does not allow IPv4.
  EXPECT_FALSE(parse_block("::/0").value().contains(at("127.0.0.1")));
  EXPECT_TRUE(parse_block("::/0").value().contains(at("::1")));
  for (const auto text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                          "10.0.0.1/8", "fd00::/129", "fd00::1/64", "host/8"}) {
    const auto block = parse_block(text);
    ASSERT_FALSE(block) << text;
    EXPECT_EQ(block.error().code, errc::bad_config);
  }
  const std::vector<std::string> texts{"10.0.0.0/8", "10.0.0.1/8"};
  EXPECT_THAT(parse_blocks(texts).error().text, HasSubstr("\"10.0.0.1/8\" has bits set"));
}

TEST(address_guard, named_blocks_are_let_through_and_nothing_beside_them) {
  const std::vector<std::string> texts{"192.168.1.0/24", "fd00::/8"};
  const address_guard guard{parse_blocks(texts).value()};
  EXPECT_TRUE(guard.allows(at("192.168.1.77")));
  EXPECT_TRUE(guard.allows(at("::ffff:192.168.1.77")));
  EXPECT_TRUE(guard.allows(at("fd12::1")));
  EXPECT_TRUE(guard.allows(at("1.1.1.1")));
  EXPECT_FALSE(guard.allows(at("192.168.2.1")));
  EXPECT_FALSE(guard.allows(at("127.0.0.1")));
  EXPECT_FALSE(guard.allows(at("fe80::1")));
}

TEST(address_guard, ports) {
  for (const std::uint16_t port : {80, 443, 1024, 3000, 8000, 8080, 8443, 9999, 49152, 65535}) {
    EXPECT_TRUE(is_web_port(port)) << port;
  }
  for (const std::uint16_t port : {0, 1, 22, 25, 53, 81, 110, 143, 445, 465, 587, 993, 1023, 2049,
                                   6000, 6379, 6667, 10080, 11211}) {
    EXPECT_FALSE(is_web_port(port)) << port;
  }
}

} // namespace
} // namespace tayfa
