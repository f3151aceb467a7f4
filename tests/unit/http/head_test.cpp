#include "runtime/http/address.hpp"
#include "runtime/http/head.hpp"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

head_state whole(std::string_view text) {
  return head_scanner{}.scan(text);
}

std::string fields(int n) {
  std::string out = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < n; ++i) {
    out += "X: y\r\n";
  }
  return out + "\r\n";
}

TEST(head_scanner, judges) {
  const std::string line = "GET / HTTP/1.1\r\n";
  const std::vector<std::pair<std::string, head_state>> rows{
      {"", head_state::partial},
      {"G", head_state::partial},
      {line, head_state::partial},
      {line + "\r", head_state::partial},
      {line + "\r\n", head_state::complete},
      {line + "Host: a\r\nEmpty:\r\n\r\n", head_state::complete},
      {"\r\n" + line + "\r\n", head_state::complete},
      {"\r\n\r\n" + line + "\r\n", head_state::malformed},
      {"GET / HTTP/1.1\n\n", head_state::malformed},
      {line + "Host: a\n\r\n", head_state::malformed},
      {line + "\n", head_state::malformed},
      {line + "Host: a\r\n b\r\n\r\n", head_state::malformed},
      {line + "Host: a\r\n\tb\r\n\r\n", head_state::malformed},
      {line + " Host: a\r\n\r\n", head_state::malformed},
      {line + "Host : a\r\n\r\n", head_state::malformed},
      {line + "Ho st: a\r\n\r\n", head_state::malformed},
      {line + ": a\r\n\r\n", head_state::malformed},
      {line + "Host\r\n\r\n", head_state::malformed},
      {line + "Host: a\rb\r\n\r\n", head_state::malformed},
      {line + "Host: a" + std::string(1, '\0') + "\r\n\r\n", head_state::malformed},
      {"GET\t/ HTTP/1.1\r\n\r\n", head_state::malformed},
      {fields(100), head_state::complete},
      {fields(101), head_state::too_large},
      {"GET /" + std::string(request_line_bytes_max, 'a'), head_state::line_too_long},
      {"GET /" + std::string(request_line_bytes_max - 16, 'a') + " HTTP/1.1\r\n\r\n",
       head_state::complete},
      {line + "A: " + std::string(32 * 1024, 'a'), head_state::too_large},
  };
  for (const auto& [text, expected] : rows) {
    EXPECT_EQ(whole(text), expected) << text.substr(0, 60);
  }
}

TEST(head_scanner, any_split_gives_the_same_verdict) {
  for (const std::string& text :
       {std::string{"\r\nPOST /run HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\nbody\n\n"},
        std::string{"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"},
        std::string{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"}}) {
    const head_state expected = whole(text);
    for (std::size_t first = 0; first <= text.size(); ++first) {
      head_scanner scanner;
      head_state state = scanner.scan(std::string_view{text}.substr(0, first));
      for (std::size_t n = first + 1; n <= text.size() && state == head_state::partial; ++n) {
        state = scanner.scan(std::string_view{text}.substr(0, n));
      }
      EXPECT_EQ(state, expected) << first;
      if (expected == head_state::complete) {
        EXPECT_EQ(scanner.begin(), 2U);
        EXPECT_EQ(text.substr(scanner.end()), "body\n\n");
      }
    }
  }
}

TEST(settle_version, reads_later_versions_of_http_1_as_1_1) {
  for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{
           {"GET / HTTP/1.0\r\n", "GET / HTTP/1.0\r\n"},
           {"GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n"},
           {"GET / HTTP/1.7\r\nX: HTTP/1.7\r\n", "GET / HTTP/1.1\r\nX: HTTP/1.7\r\n"},
           {"GET / HTTP/1.x\r\n", "GET / HTTP/1.x\r\n"},
           {"GET /HTTP/1.2\r\n", "GET /HTTP/1.2\r\n"},
           {"x\r\n", "x\r\n"},
           {"\r\nGET / HTTP/1.3\r\n", "\r\nGET / HTTP/1.1\r\n"}}) {
    std::string text = before;
    EXPECT_TRUE(settle_version(text, before.starts_with('\r') ? 2 : 0)) << before;
    EXPECT_EQ(text, after);
  }
  for (std::string text : {"GET / HTTP/2.0\r\n", "GET / HTTP/0.9\r\n", " HTTP/3.1\r\n"}) {
    EXPECT_EQ(settle_version(text, 0).error().code, errc::version_not_supported) << text;
  }
}

TEST(listen_endpoint, takes_literals_and_localhost) {
  EXPECT_EQ(to_string(*listen_endpoint("127.0.0.1:8000")), "127.0.0.1:8000");
  EXPECT_EQ(to_string(*listen_endpoint("localhost:1")), "127.0.0.1:1");
  EXPECT_EQ(to_string(*listen_endpoint("0.0.0.0:0")), "0.0.0.0:0");
  EXPECT_EQ(to_string(*listen_endpoint("[::1]:8000")), "[::1]:8000");
  for (const char* const text : {"", ":", "8000", ":8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                                 "127.0.0.1:70000", "127.0.0.1:-1", "::1:8000", "[::1]", "[]:1",
                                 "[127.0.0.1]:1", "example.org:80", "127.0.0.1:80 "}) {
    const auto parsed = listen_endpoint(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::bad_config);
    EXPECT_NE(parsed.error().text.find(text), std::string::npos);
  }
}

} // namespace
} // namespace tayfa
