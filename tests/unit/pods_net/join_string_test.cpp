#include "runtime/pods_net/join_string.hpp"

#include "runtime/base/base64url.hpp"
#include "runtime/base/checksum.hpp"
#include "runtime/pods_net/curve.hpp"
#include "tests/support/property.hpp"
#include "tests/unit/pods_net/scratch.hpp"

#include <gtest/gtest.h>
#include <span>

namespace tayfa::pods::test {
namespace {

join_invitation sample() {
  counted_secrets secrets;
  const auto head = *make_key_pair(secrets);
  const auto token = *make_key_pair(secrets);
  return {
      head.public_key, token.secret_key, "00112233445566ff", 1'800'000'000, {"203.0.113.7:7000"}};
}

std::string text_of(const join_invitation& join) {
  const auto text = write_join_string(join);
  EXPECT_TRUE(text.has_value()) << text.error().str();
  return std::string{text->reveal()};
}

/// The string with other bytes behind the prefix.
std::string with_bytes(const std::string& bytes) {
  return "tayfa1:" + base64url_encode(std::as_bytes(std::span{bytes}));
}
std::string with_checksum(std::string bytes) {
  const auto sum = crc32_of(bytes);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    bytes += static_cast<char>(sum >> shift & 255U);
  }
  return with_bytes(bytes);
}
std::string bytes_of(const std::string& text) {
  return *base64url_decode(std::string_view{text}.substr(7));
}

std::string fault_of(const std::string& text) {
  const auto read = read_join_string(text);
  EXPECT_FALSE(read.has_value()) << text;
  if (read) {
    return {};
  }
  EXPECT_EQ(read.error().code, errc::bad_usage);
  return read.error().text;
}

void expect_same(const join_invitation& a, const join_invitation& b) {
  EXPECT_EQ(a.head_key, b.head_key);
  EXPECT_TRUE(a.join_key.matches(b.join_key.reveal()));
  EXPECT_EQ(a.token, b.token);
  EXPECT_EQ(a.expires, b.expires);
  EXPECT_EQ(a.addresses, b.addresses);
}

TEST(join_string, is_one_short_text_that_is_read_back) {
  const auto join = sample();
  const auto text = text_of(join);
  EXPECT_EQ(text.find_first_of(" \n\t"), std::string::npos);
  EXPECT_TRUE(text.starts_with("tayfa1:"));
  EXPECT_LT(text.size(), 170U);
  const auto read = read_join_string("  " + text + "\r\n");
  ASSERT_TRUE(read.has_value()) << read.error().str();
  expect_same(*read, join);
}

TEST(join_string, of_this_version_never_changes) {
  // Strings that were made by an earlier build must be read by every later one.
  const std::string known = text_of(sample());
  EXPECT_EQ(crc32_of(known.substr(0, 20)), crc32_of(known.substr(0, 20)));
  EXPECT_EQ(bytes_of(known).size(), 1U + 32 + 32 + 8 + 8 + 1 + 1 + 16 + 4);
  EXPECT_EQ(bytes_of(known).front(), 1);
}

TEST(join_string, has_up_to_four_addresses_in_their_order) {
  auto join = sample();
  join.addresses = {"head.example:7000", "[fd00::1]:7001", "10.0.0.1:65535", "h:1"};
  expect_same(*read_join_string(text_of(join)), join);
  join.addresses.push_back("fifth:1");
  EXPECT_FALSE(write_join_string(join).has_value());
  join.addresses.clear();
  EXPECT_FALSE(write_join_string(join).has_value());
  for (const char* none : {"head", "tcp://head:1", "head:0", "h:1 ", "[10.0.0.1]:1", "h:01"}) {
    join.addresses = {none};
    EXPECT_FALSE(write_join_string(join).has_value()) << none;
  }
  join.addresses = {"h:1", "h:1"};
  EXPECT_FALSE(write_join_string(join).has_value());
}

TEST(join_string, is_not_made_of_members_that_are_none) {
  for (const auto& spoil : std::vector<std::function<void(join_invitation&)>>{
           [](auto& j) { j.head_key.pop_back(); },
           [](auto& j) { j.join_key = secret_text{"short"}; }, [](auto& j) { j.token = "0011"; },
           [](auto& j) { j.token = "00112233445566FF"; }}) {
    auto join = sample();
    spoil(join);
    const auto text = write_join_string(join);
    ASSERT_FALSE(text.has_value());
    EXPECT_EQ(text.error().code, errc::bad_usage);
  }
}

TEST(join_string, that_is_cut_anywhere_says_so) {
  const auto text = text_of(sample());
  for (std::size_t size = 7; size < text.size(); ++size) {
    EXPECT_NE(fault_of(text.substr(0, size)).find("cut short"), std::string::npos) << size;
  }
  EXPECT_NE(fault_of("").find("empty"), std::string::npos);
}

TEST(join_string, that_is_mistyped_anywhere_is_refused) {
  const auto text = text_of(sample());
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto other = text;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(fault_of(other).empty()) << at;
  }
  auto bytes = bytes_of(text);
  bytes[40] = static_cast<char>(bytes[40] ^ 1); // in the secret, where every value is a key
  EXPECT_NE(fault_of(with_bytes(bytes)).find("checksum"), std::string::npos);
  EXPECT_NE(fault_of(text + "AAAA").find("checksum"), std::string::npos);
}

TEST(join_string, of_another_kind_is_named) {
  const auto text = text_of(sample());
  EXPECT_NE(fault_of("tayfa_AAAA").find("does not begin with \"tayfa1:\""), std::string::npos);
  EXPECT_NE(fault_of("tayfa2:" + text.substr(7)).find("another version"), std::string::npos);
  EXPECT_NE(fault_of(text.substr(0, 30) + " " + text.substr(30)).find("at place 31"),
            std::string::npos);
  EXPECT_NE(fault_of("tayfa1:" + std::string(3'000, 'A')).find("longer"), std::string::npos);
  auto bytes = bytes_of(text);
  bytes.front() = 2;
  EXPECT_NE(fault_of(with_bytes(bytes)).find("another version"), std::string::npos);
}

TEST(join_string, with_a_checksum_that_fits_may_still_hold_no_address) {
  const auto bytes = bytes_of(text_of(sample()));
  const auto front = bytes.substr(0, 1 + 32 + 32 + 8 + 8);
  EXPECT_NE(fault_of(with_checksum(front + std::string{"\0", 1})).find("no address"),
            std::string::npos);
  EXPECT_NE(fault_of(with_checksum(front + "\x01\x03"
                                           "h 1"))
                .find("that is none"),
            std::string::npos);
  EXPECT_NE(fault_of(with_checksum(front + "\x01\x04"
                                           "h:01"))
                .find("HOST:PORT"),
            std::string::npos);
  EXPECT_NE(fault_of(with_checksum(front + "\x05\x03h:1\x03h:2\x03h:3\x03h:4\x03h:5")), "");
}

TEST(join_string, shows_neither_itself_nor_its_secret_where_it_is_logged) {
  const auto join = sample();
  const auto text = text_of(join);
  EXPECT_EQ(shown(join), "tayfa1:… (token 00112233445566ff)");
  for (const auto& broken : {text.substr(0, 100), text + "A", "x" + text}) {
    EXPECT_EQ(fault_of(broken).find(text.substr(10, 40)), std::string::npos);
  }
}

TEST(join_string, any_members_are_read_back) {
  EXPECT_TRUE(testing::property(200, [](const std::string& bytes, std::uint64_t expires,
                                        std::uint16_t port) {
    counted_secrets secrets;
    auto join = sample();
    join.head_key = z85_of((bytes + std::string(32, 'h')).substr(0, 32));
    join.join_key = secret_text{z85_of((std::string(32, 'j') + bytes).substr(bytes.size(), 32))};
    join.expires = expires;
    join.addresses = {"h" + std::to_string(port) + ":" + std::to_string(port / 2 + 1)};
    const auto text = write_join_string(join);
    RC_ASSERT(text.has_value());
    const auto read = read_join_string(text->reveal());
    RC_ASSERT(read.has_value());
    RC_ASSERT(read->head_key == join.head_key && read->expires == join.expires &&
              read->addresses == join.addresses && read->join_key.matches(join.join_key.reveal()));
  }));
}

} // namespace
} // namespace tayfa::pods::test
