// URLs that strangers give.
#include "runtime/http_client/url_guard.hpp"

#include "tests/support/property.hpp"

#include <gmock/gmock.h>

namespace tayfa {
namespace {

using ::testing::HasSubstr;

TEST(url_guard, takes_what_receivers_have) {
  for (const auto text :
       {"https://example.com/done", "http://example.com", "https://example.com:8443/a?b=c#d",
        "HTTPS://EXAMPLE.COM/", "http://1.1.1.1/", "http://[2606:4700:4700::1111]:8080/x"}) {
    EXPECT_TRUE(guarded_url(text, {})) << text;
  }
  const auto url = guarded_url("HTTPS://Example.COM:8443/", {}).value();
  EXPECT_EQ(url.host, "example.com");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(guarded_url("https://example.com/", {}).value().port, 443);
  EXPECT_EQ(guarded_url("http://example.com/", {}).value().port, 80);
}

TEST(url_guard, refuses_what_no_receiver_has) {
  const std::string long_url = "https://example.com/" + std::string(2048, 'a');
  for (const std::string text : {"",
                                 "example.com",
                                 "//example.com/",
                                 "ftp://example.com/",
                                 "file:///etc/passwd",
                                 "gopher://example.com/",
                                 "dict://example.com:11211/",
                                 "unix:///run/docker.sock",
                                 "http://",
                                 "http://user@example.com/",
                                 "http://user:pw@example.com/",
                                 "http://:pw@example.com/",
                                 "http://example.com@127.0.0.1/",
                                 "http://example.com:22/",
                                 "http://example.com:0/",
                                 "http://example.com:65536/",
                                 "http://example.com:x/",
                                 "http://example.com/a b",
                                 "http://example.com/\r\nHost:x",
                                 "http://example.com\\@127.0.0.1/",
                                 "http://ex\xc3\xa4mple.com/",
                                 "http://[fe80::1%25lo]/",
                                 "http://[::1/",
                                 "javascript:alert(1)",
                                 "http://example.com:6379/",
                                 "https://example.com:25/"}) {
    const auto url = guarded_url(text, {});
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, errc::webhook_refused) << text;
  }
  EXPECT_FALSE(guarded_url(long_url, {}));
}

TEST(url_guard, sees_through_every_spelling_of_an_address) {
  for (const auto text : {"http://127.0.0.1/",
                          "http://localhost/",
                          "http://LOCALHOST./",
                          "http://a.localhost:8080/",
                          "http://[::1]/",
                          "http://[::ffff:127.0.0.1]/",
                          "http://[::ffff:7f00:1]/",
                          "http://0x7f000001/",
                          "http://2130706433/",
                          "http://127.1/",
                          "http://0177.0.0.1/",
                          "http://0x7f.1/",
                          "http://017700000001/",
                          "http://0/",
                          "http://0.0.0.0/",
                          "http://[::]/",
                          "http://169.254.169.254/latest/meta-data/",
                          "http://2852039166/",
                          "http://10.0.0.1:8080/",
                          "http://[64:ff9b::7f00:1]/",
                          "http://[fd00:ec2::254]/"}) {
    const auto url = guarded_url(text, {});
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, errc::webhook_refused) << text;
  }
}

TEST(url_guard, a_refusal_repeats_nothing_of_the_url) {
  for (const auto text : {"http://key-1234@example.com/", "http://127.0.0.1/?token=key-1234",
                          "ftp://example.com/key-1234", "key-1234"}) {
    EXPECT_THAT(guarded_url(text, {}).error().str(), ::testing::Not(HasSubstr("key-1234")));
  }
}

TEST(url_guard, named_blocks_are_let_through) {
  const std::vector<std::string> texts{"127.0.0.0/8"};
  const address_guard guard{parse_blocks(texts).value()};
  for (const auto text :
       {"http://127.0.0.1:8000/", "http://localhost:8000/", "http://2130706433:8000/"}) {
    EXPECT_TRUE(guarded_url(text, guard)) << text;
  }
  EXPECT_FALSE(guarded_url("http://[::1]:8000/", guard));
  EXPECT_FALSE(guarded_url("http://10.0.0.1:8000/", guard));
  EXPECT_FALSE(guarded_url("http://127.0.0.1:22/", guard)) << "the ports stay what they are";
}

/// Any bytes give an answer, and a host that an answer names is the host that is dialled.
TEST(url_guard, any_text_is_judged) {
  EXPECT_TRUE(testing::property(20'000, [](const std::string& noise, bool framed) {
    const auto url = guarded_url(framed ? "http://" + noise : noise, {});
    if (url) {
      RC_ASSERT(!url->host.empty());
      RC_ASSERT(is_web_port(url->port));
      RC_ASSERT(!url->address || is_public(*url->address));
    }
  }));
}

} // namespace
} // namespace tayfa
