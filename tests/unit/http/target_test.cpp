// The forms of a request target, and the moments of answers.
#include "runtime/http/http_date.hpp"
#include "runtime/http/target.hpp"
#include "runtime/net/host_names.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

using namespace std::string_view_literals;

struct row {
  std::string method, target, path, authority;
};

TEST(request_target, forms_that_name_a_path) {
  for (const auto& r : std::vector<row>{
           {"GET", "/run?x=1", "/run?x=1", ""},
           {"GET", "//host/run", "//host/run", ""},
           {"GET", "/http://host/run", "/http://host/run", ""},
           {"GET", "http://localhost/run?x=/y", "/run?x=/y", "localhost"},
           {"POST", "HTTPS://LOCALHOST:443/run", "/run", "LOCALHOST:443"},
           {"GET", "http://[::1]:8000/", "/", "[::1]:8000"},
           {"GET", "http://127.0.0.1", "/", "127.0.0.1"},
           {"GET", "http://127.0.0.1:", "/", "127.0.0.1:"},
           {"GET", "http://host?x=1", "/?x=1", "host"},
           {"GET", "http://host/a?u=http://other@x/", "/a?u=http://other@x/", "host"},
           {"OPTIONS", "*", "*", ""},
           {"OPTIONS", "http://host:1", "*", "host:1"},
           {"OPTIONS", "http://host/", "/", "host"},
           {"OPTIONS", "http://host?x", "/?x", "host"},
       }) {
    const auto read = read_request_target(r.method, r.target);
    ASSERT_TRUE(read) << r.target << ": " << read.error().str();
    EXPECT_EQ(read->path, r.path) << r.target;
    EXPECT_EQ(read->authority, r.authority) << r.target;
  }
}

TEST(request_target, forms_that_are_refused) {
  for (const std::string target : {"",
                                   "*",
                                   "run",
                                   "localhost:8000",
                                   "ftp://host/run",
                                   "file:///etc/passwd",
                                   "http:/host/run",
                                   "http:host",
                                   "://host/",
                                   "http://",
                                   "http:///run",
                                   "http://:8000/run",
                                   "http://?x",
                                   "http://#",
                                   "http://user@host/",
                                   "http://user:word@host/",
                                   "http://@host/",
                                   "http://host:x/",
                                   "http://host:123456/",
                                   "http://[::1/",
                                   "http://[host]/",
                                   "http://ho st/",
                                   "http://h\xc3\xb6/",
                                   "http://host\\evil/",
                                   "http://a,b\"/",
                                   "/run#x",
                                   "http://host/#x",
                                   "httpx://host/"}) {
    const auto read = read_request_target("GET", target);
    ASSERT_FALSE(read) << target;
    EXPECT_EQ(read.error().code, errc::bad_request) << target;
  }
  EXPECT_FALSE(read_request_target("POST", "*"));
  for (const std::string target : {"host:443", "/", "http://host/"}) {
    EXPECT_EQ(read_request_target("CONNECT", target).error().code, errc::method_not_allowed);
  }
}

TEST(host_field, has_a_grammar) {
  for (const auto good : {"", "a", "a:", "a:80", "A_b-c.d.", "127.0.0.1:65535", "[::1]", "[::1]:8",
                          "%6cocalhost", "a,b", "x!$&'()*+,;=~"}) {
    EXPECT_TRUE(is_host_field(good)) << good;
  }
  for (const auto bad :
       {"a b"sv,      "a\tb"sv, "a/b"sv,    "a@b"sv,      "http://a"sv,   "a:b"sv, "a:80:80"sv,
        "a:123456"sv, "[::1"sv, "[::1]x"sv, "[a]"sv,      "[::1%25lo]"sv, "a?"sv,  "a#"sv,
        "a\"b"sv,     "a\\b"sv, "a\0b"sv,   "\xc3\xb6"sv, "a|b"sv,        "<a>"sv}) {
    EXPECT_FALSE(is_host_field(bad)) << bad;
  }
  EXPECT_FALSE(is_host_field(std::string(256, 'a')));
}

TEST(http_date, is_written_as_rfc_9110_wants_it) {
  const auto at = [](std::int64_t seconds) {
    return http_date(std::chrono::system_clock::time_point{std::chrono::seconds{seconds}});
  };
  EXPECT_EQ(at(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT"); // the RFC's own
  EXPECT_EQ(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(at(951'782'399), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(at(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(at(4'107'542'399), "Sun, 28 Feb 2100 23:59:59 GMT");
}

TEST(http_date, follows_the_clock) {
  struct wall_time final : time_source {
    moment now() const override { return {}; }
    std::chrono::system_clock::time_point wall() const override { return at; }
    std::chrono::system_clock::time_point at{};
  } time;
  http_dates dates{time};
  EXPECT_EQ(dates.now(), "Thu, 01 Jan 1970 00:00:00 GMT");
  time.at += std::chrono::milliseconds{999};
  EXPECT_EQ(dates.now(), "Thu, 01 Jan 1970 00:00:00 GMT");
  time.at += std::chrono::milliseconds{1};
  EXPECT_EQ(dates.now(), "Thu, 01 Jan 1970 00:00:01 GMT");
  time.at -= std::chrono::seconds{1}; // put back by hand
  EXPECT_EQ(dates.now(), "Thu, 01 Jan 1970 00:00:00 GMT");
}

} // namespace
} // namespace tayfa
