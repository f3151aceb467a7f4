#include "runtime/config/address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::HasSubstr;

TEST(listen_address, good_ones) {
  const auto is = [](const char* text, const listen_address& expected) {
    const auto parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().str();
    EXPECT_EQ(*parsed, expected) << text;
  };
  is("127.0.0.1:8000", {"127.0.0.1", 8000, true});
  is("127.9.8.7:0", {"127.9.8.7", 0, true});
  is("[::1]:65535", {"::1", 65535, true});
  is("[::ffff:127.0.0.1]:1", {"::ffff:127.0.0.1", 1, true});
  is("localhost:80", {"localhost", 80, true});
  is("0.0.0.0:8000", {"0.0.0.0", 8000, false});
  is("[::]:8000", {"::", 8000, false});
  is("[::ffff:10.0.0.1]:1", {"::ffff:10.0.0.1", 1, false});
  is("128.0.0.1:80", {"128.0.0.1", 80, false});
  is("gpu-1.example.com:80", {"gpu-1.example.com", 80, false});
  is("localhost.example.com:80", {"localhost.example.com", 80, false});
}

TEST(listen_address, bad_ones_and_why) {
  const auto refused = [](const std::string& text, const char* why) {
    const auto parsed = parse_listen_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::bad_config);
    EXPECT_THAT(parsed.error().text, HasSubstr(why)) << text;
  };
  refused("", "is not an address");
  refused("8000", "is not an address");
  refused("localhost", "is not an address");
  refused("::1:8000", "in brackets");
  refused("[::1]", "is not an address");
  refused("[::1]8000", "is not an address");
  refused("[]:8000", "has no host");
  refused("[:8000", "is not an address");
  refused("[127.0.0.1]:80", "neither");
  refused("[fe80::1%eth0]:80", "neither");
  refused(":8000", "has no host");
  refused("localhost:", "has no port");
  refused("localhost:http", "has no port");
  refused("localhost:-1", "has no port");
  refused("localhost:+1", "has no port");
  refused("localhost:65536", "above 65535");
  refused("localhost:99999999999999999999999", "above 65535");
  refused("127.1:80", "neither");
  refused("256.0.0.1:80", "neither");
  refused("1.2.3.4.5:80", "neither");
  refused("-x.com:80", "neither");
  refused("a..b:80", "neither");
  refused("a b:80", "neither");
  refused("under_score:80", "neither");
  refused(std::string(64, 'a') + ":80", "neither");
  refused(std::string(400, 'a') + ":80", "is not an address");
}

} // namespace
} // namespace tayfa
