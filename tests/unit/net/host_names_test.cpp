// By which names a server without keys may be called.
#include "runtime/net/host_names.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

using namespace std::string_view_literals;

TEST(host_names, addresses_and_localhost) {
  const host_names names;
  for (const auto served :
       {"127.0.0.1", "127.0.0.1:8000", "127.0.0.1:", "192.168.1.7:1", "0.0.0.0:8000", "[::1]",
        "[::1]:8000", "[2001:db8::7]:65535", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "localhost",
        "localhost:8000", "LocalHost", "LOCALHOST:80", "localhost.", "localhost.:8000"}) {
    EXPECT_TRUE(names.serve(served)) << served;
  }
  for (const auto stranger :
       {""sv, ":"sv, ":8000"sv, "evil.example"sv, "evil.example:8000"sv, "evil"sv,
        // names that end, begin or look like ours
        "localhost.evil.example"sv, "evil.localhost"sv, "xlocalhost"sv, "localhost-"sv,
        "localhost.."sv, ".localhost"sv, "127.0.0.1.evil.example"sv, "127.0.0.1."sv,
        "127.0.0.1.nip.io"sv,
        // what only some resolvers take for an address
        "127.1"sv, "2130706433"sv, "0x7f.1"sv, "0x7f000001"sv, "0177.0.0.1"sv, "127.0.0.01"sv,
        "127.0.0.1.1"sv, "127.0.0.256"sv, "127.0.0.1 "sv, " 127.0.0.1"sv, "127.0.0.1\0"sv,
        "127.0.0.1\0.evil.example"sv, "127。0。0。1"sv,
        // another part of a URL, or a second host
        "user@localhost"sv, "localhost@evil.example"sv, "evil.example@localhost"sv,
        "http://localhost"sv, "localhost/"sv, "localhost#"sv, "localhost?"sv, "localhost,evil"sv,
        "localhost evil"sv, "localhost\tevil"sv, "%6cocalhost"sv,
        "l\xc3\xb6"
        "calhost"sv,
        // ports that are none
        "localhost:80a"sv, "localhost:123456"sv, "localhost:-1"sv, "localhost:80:80"sv,
        "localhost:8000evil.example"sv,
        // brackets
        "::1"sv, "[::1"sv, "::1]"sv, "[]"sv, "[::1]evil.example"sv, "[::1]:80x"sv, "[::1%lo]"sv,
        "[::1%25lo]"sv, "[127.0.0.1]"sv, "[localhost]"sv, "[evil.example]"sv, "[v1.x]"sv,
        "[::1][::1]"sv}) {
    EXPECT_FALSE(names.serve(stranger)) << stranger;
  }
  EXPECT_FALSE(names.serve(std::string(100'000, '1')));
  EXPECT_FALSE(names.any_named());
}

TEST(host_names, the_owners) {
  const host_names names{{"gpu.Example", "tayfa", "my_pod"}};
  EXPECT_TRUE(names.any_named());
  for (const auto served : {"gpu.example", "GPU.EXAMPLE:443", "gpu.example.", "tayfa:8000",
                            "my_pod", "localhost", "10.0.0.1"}) {
    EXPECT_TRUE(names.serve(served)) << served;
  }
  for (const auto stranger : {"example", "x.gpu.example", "gpu.example.evil", "gpu.example..",
                              "tayfa.", "tayf", "tayfaa"}) {
    EXPECT_EQ(names.serve(stranger), stranger == "tayfa."sv) << stranger;
  }
}

TEST(host_names, origins) {
  const host_names names{{"gpu.example"}};
  for (const auto served : {"http://localhost:3000", "https://gpu.example", "http://127.0.0.1:8000",
                            "http://[::1]:8000", "HTTPS://GPU.example"}) {
    EXPECT_TRUE(names.serve_origin(served)) << served;
  }
  for (const auto stranger : {"null",
                              "",
                              "http://",
                              "://localhost",
                              "localhost",
                              "http:/localhost",
                              "//localhost",
                              "http://evil.example",
                              "http://evil.example:8000",
                              "http://localhost.evil.example",
                              "http://evil.example http://localhost",
                              "http://localhost http://evil.example",
                              "http://localhost@evil.example",
                              "http://evil.example@localhost",
                              "http://localhost/",
                              "http://localhost/x",
                              "file://",
                              "chrome-extension://abcdef",
                              "ht tp://localhost",
                              "1http://localhost",
                              "http://localhost,http://evil.example"}) {
    EXPECT_FALSE(names.serve_origin(stranger)) << stranger;
  }
}

TEST(host_names, names_that_an_owner_may_give) {
  for (const auto good : {"a", "gpu.example", "a-b.c_d", "x1", "1x", "my_pod"}) {
    EXPECT_TRUE(is_name_of_host(good)) << good;
  }
  for (const auto bad : {"", ".", "a.", ".a", "a..b", "-a", "a-", "a:80", "*", "*.example",
                         "127.0.0.1", "[::1]", "a b", "a/b", "a,b", "ä"}) {
    EXPECT_FALSE(is_name_of_host(bad)) << bad;
  }
  EXPECT_FALSE(is_name_of_host(std::string(64, 'a')));
  EXPECT_TRUE(is_name_of_host(std::string(63, 'a')));
}

} // namespace
} // namespace tayfa
