// The guard where it counts: at the connections of real calls.
#include "runtime/http_client/curl_poster.hpp"

#include "tests/unit/http/asking.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <unistd.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;
using ::testing::HasSubstr;

TEST(poster, the_guard_refuses_this_machine_in_every_spelling) {
  receiver there;
  receiver six{[](const received&) { return answered(200); }, "::1"};
  curl_poster poster;
  for (const std::string host :
       {"127.0.0.1", "localhost", "LocalHost", "a.localhost", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "0.0.0.0",
        "127.255.255.254"}) {
    EXPECT_EQ(code_of(ask(poster, call_to(there.url(host)))), errc::webhook_refused) << host;
  }
  EXPECT_EQ(code_of(ask(poster, call_to(six.url("[::1]")))), errc::webhook_refused);
  EXPECT_EQ(code_of(ask(poster, call_to(six.url("[::]")))), errc::webhook_refused);
  EXPECT_EQ(there.connections(), 0U);
  EXPECT_EQ(six.connections(), 0U);
}

/// The name passes the check of the URL; what it resolves to does not.
TEST(poster, the_guard_judges_the_address_that_is_connected_to) {
  receiver there;
  const std::string port = std::to_string(there.port());
  poster_options options;
  options.pinned = {
      "hook.test:" + port + ":127.0.0.1", "both.test:" + port + ":[fd00::1],127.0.0.1",
      "mapped.test:" + port + ":[::ffff:127.0.0.1]", "metadata.test:80:169.254.169.254"};
  curl_poster poster{options};
  for (const std::string host : {"hook.test", "both.test", "mapped.test"}) {
    const auto answer = ask(poster, call_to(there.url(host)));
    EXPECT_EQ(code_of(answer), errc::webhook_refused) << host;
    EXPECT_THAT(answer.error().text, ::testing::Not(HasSubstr("127.0.0.1")))
        << "a refusal must not tell what a name means inside this network";
  }
  EXPECT_EQ(code_of(ask(poster, call_to("http://metadata.test/"))), errc::webhook_refused);
  EXPECT_EQ(there.connections(), 0U);
}

/// On most machines their own name resolves to an address that is not public.
TEST(poster, the_guard_judges_what_the_resolver_says) {
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  const auto answer = ask(call_to("http://" + std::string{name} + ":8000/"), poster_options{});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().code, ::testing::AnyOf(errc::webhook_refused, errc::unavailable));
}

TEST(poster, named_blocks_are_let_through) {
  receiver there;
  for (const std::string host : {"127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(ask(call_to(there.url(host)))) << host;
  }
  EXPECT_EQ(there.requests().size(), 4U);
  receiver six{[](const received&) { return answered(200); }, "::1"};
  if (six.listening()) {
    EXPECT_TRUE(ask(call_to(six.url("[::1]"))));
  }
}

/// An open connection of an unguarded call could be reused to reach a private address.
TEST(poster, a_guarded_call_does_not_use_the_connection_of_an_unguarded_one) {
  receiver there;
  poster_options options;
  options.pinned = {"hook.test:" + std::to_string(there.port()) + ":127.0.0.1"};
  curl_poster poster{options};
  auto call = call_to(there.url("hook.test"));
  call.guarded = false;
  ASSERT_TRUE(ask(poster, call));
  call.guarded = true;
  EXPECT_EQ(code_of(ask(poster, call)), errc::webhook_refused);
  call.guarded = false;
  ASSERT_TRUE(ask(poster, call));
  EXPECT_EQ(there.requests().size(), 2U);
}

TEST(poster, a_guarded_call_uses_no_proxy) {
  receiver proxy;
  receiver there;
  const std::string proxy_url = proxy.url("127.0.0.1", "");
  ::setenv("http_proxy", proxy_url.c_str(), 1);
  ::setenv("all_proxy", proxy_url.c_str(), 1);
  auto options = local_options();
  options.pinned = {"hook.test:" + std::to_string(there.port()) + ":127.0.0.1"};
  auto call = call_to(there.url("hook.test"));
  const auto guarded = ask(call, options);
  call.guarded = false;
  const auto unguarded = ask(call, options);
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
  EXPECT_TRUE(guarded);
  EXPECT_TRUE(unguarded);
  EXPECT_EQ(there.requests().size(), 1U);
  EXPECT_EQ(proxy.requests().size(), 1U);
}

TEST(poster, an_unguarded_call_is_still_http_and_well_formed) {
  for (const std::string url : {"file:///etc/passwd", "ftp://127.0.0.1/", "nonsense", ""}) {
    auto call = call_to(url);
    call.guarded = false;
    EXPECT_EQ(code_of(ask(call)), errc::bad_request) << url;
  }
}

} // namespace
} // namespace tayfa
