// Calls to real receivers on loopback: what is sent, what comes back, and receivers that are
// broken.
#include "runtime/http_client/curl_poster.hpp"
#include "runtime/http_client/url_guard.hpp"

#include "tests/unit/http/asking.hpp"
#include "tests/unit/http/full_backlog.hpp"

#include <gmock/gmock.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;
using ::testing::ElementsAre;
using ::testing::Pair;

// ---- what is sent, and what comes back ---------------------------------------------------------

TEST(poster, delivers_method_fields_and_body) {
  receiver there{[](const received&) {
    return answered(201, "thanks", "X-Trace: AbC\r\nContent-Type: text/plain\r\n");
  }};
  auto call = call_to(there.url("127.0.0.1", "/a/b?c=d"));
  call.headers = {{"X-Tayfa-Attempt", "1"}, {"X-Empty", ""}};
  const auto answer = ask(call);
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->status, 201U);
  EXPECT_EQ(answer->body, "thanks");
  EXPECT_THAT(answer->headers,
              ElementsAre(Pair("x-trace", "AbC"), Pair("content-type", "text/plain"),
                          Pair("content-length", "6")));
  const auto requests = there.requests();
  ASSERT_EQ(requests.size(), 1U);
  const auto& got = requests.front();
  EXPECT_TRUE(got.head.starts_with("POST /a/b?c=d HTTP/1.1\r\n")) << got.head;
  EXPECT_TRUE(got.has("\r\nHost: 127.0.0.1:" + std::to_string(there.port()) + "\r\n"));
  EXPECT_TRUE(got.has("\r\nContent-Type: application/json\r\n"));
  EXPECT_TRUE(got.has("\r\nX-Tayfa-Attempt: 1\r\n"));
  EXPECT_TRUE(got.has("\r\nX-Empty:\r\n"));
  EXPECT_TRUE(got.has("\r\nUser-Agent: tayfa\r\n"));
  EXPECT_EQ(got.body, R"({"id":"j1"})");
}

TEST(poster, methods_and_large_bodies) {
  receiver there;
  curl_poster poster{local_options()};
  for (const std::string method : {"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"}) {
    auto call = call_to(there.url());
    call.method = method;
    call.body = method == "PUT" ? std::string(3'000'000, 'b') : std::string{};
    EXPECT_TRUE(ask(poster, call)) << method;
  }
  const auto got = there.requests();
  ASSERT_EQ(got.size(), 6U);
  EXPECT_TRUE(got[0].head.starts_with("GET "));
  EXPECT_TRUE(got[1].head.starts_with("HEAD "));
  EXPECT_TRUE(got[2].head.starts_with("PUT "));
  EXPECT_EQ(got[2].body.size(), 3'000'000U);
  EXPECT_FALSE(got[2].has("Expect"));
  EXPECT_TRUE(got[5].has("Content-Length: 0"));
}

TEST(poster, urls_that_are_made_here_may_be_long) {
  receiver there;
  auto call = call_to(there.url("127.0.0.1", "/ping?job_id=" + std::string(150'000, 'a')));
  call.method = "GET";
  call.guarded = true;
  const auto refused = ask(call);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::webhook_refused);
  call.guarded = false;
  const auto answer = ask(call);
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->status, 200U);
  call.url += std::string(own_url_bytes_max, 'a');
  const auto malformed = ask(call);
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code, errc::bad_request);
}

TEST(poster, the_caller_names_the_content_type) {
  receiver there;
  auto call = call_to(there.url());
  call.headers = {{"content-type", "text/plain"}};
  ASSERT_TRUE(ask(call));
  EXPECT_TRUE(there.requests()[0].has("content-type: text/plain"));
  EXPECT_FALSE(there.requests()[0].has("application/json"));
}

TEST(poster, every_status_is_an_answer_and_no_redirect_is_followed) {
  receiver elsewhere;
  const std::string fields = "Location: " + elsewhere.url() + "\r\n";
  for (const unsigned status : {200U, 204U, 301U, 302U, 307U, 308U, 404U, 500U, 503U}) {
    receiver there{[&](const received&) { return answered(status, "", fields); }};
    const auto answer = ask(call_to(there.url()));
    ASSERT_TRUE(answer) << status << answer.error().str();
    EXPECT_EQ(answer->status, status);
  }
  EXPECT_TRUE(elsewhere.requests().empty());
}

TEST(poster, malformed_calls_are_refused_before_anything_is_sent) {
  receiver there;
  curl_poster poster{local_options()};
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"X-A", "b\r\nX-Evil: 1"},
                                                        {"X-A\r\nX-Evil", "1"},
                                                        {"", "1"},
                                                        {"X A", "1"},
                                                        {"Host", "metadata"},
                                                        {"Content-Length", "3"},
                                                        {"transfer-encoding", "chunked"},
                                                        {"Connection", "close"},
                                                        {"X-A", std::string(9000, 'a')},
                                                        {"X-A", std::string(1, '\0')}}) {
    auto call = call_to(there.url());
    call.headers = {{name, value}};
    EXPECT_EQ(code_of(ask(poster, call)), errc::bad_request) << name;
  }
  for (const std::string method : {"", "post", "CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y"}) {
    auto call = call_to(there.url());
    call.method = method;
    EXPECT_EQ(code_of(ask(poster, call)), errc::bad_request) << method;
  }
  EXPECT_EQ(there.connections(), 0U);
}

// ---- receivers that are broken -----------------------------------------------------------------

TEST(poster, a_receiver_that_never_answers_times_out) {
  receiver there{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  auto call = call_to(there.url());
  call.timeout = 100ms;
  EXPECT_EQ(code_of(ask(call)), errc::request_timeout);
}

TEST(poster, a_body_that_drips_times_out) {
  receiver there{[](const received&) {
    return scripted_answer{"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
                           scripted_answer::then::drip};
  }};
  auto call = call_to(there.url());
  call.timeout = 200ms;
  EXPECT_EQ(code_of(ask(call)), errc::request_timeout);
}

TEST(poster, a_head_that_drips_times_out) {
  receiver there{[](const received&) {
    return scripted_answer{"HTTP/1.1 200 OK\r\nX: ", scripted_answer::then::drip};
  }};
  auto call = call_to(there.url());
  call.timeout = 200ms;
  EXPECT_EQ(code_of(ask(call)), errc::request_timeout);
}

TEST(poster, a_receiver_that_does_not_accept_times_out) {
  const full_backlog nobody;
  auto options = local_options();
  options.connect_timeout = 100ms;
  EXPECT_EQ(code_of(ask(call_to(nobody.url()), options)), errc::request_timeout);
}

TEST(poster, a_refused_connection_is_unavailable) {
  std::string url;
  {
    receiver gone;
    url = gone.url();
  }
  EXPECT_EQ(code_of(ask(call_to(url))), errc::unavailable);
}

TEST(poster, a_name_without_address_is_unavailable) {
  EXPECT_EQ(code_of(ask(call_to("http://no-such-name.invalid/"))), errc::unavailable);
}

TEST(poster, answers_are_bounded) {
  for (const auto& scripted :
       {answered(200, std::string(200'000, 'a')),
        // without a length: only the counting of bytes can end it
        scripted_answer{"HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'a'),
                        scripted_answer::then::drip},
        answered(200, "", "X-Long: " + std::string(40'000, 'a') + "\r\n")}) {
    receiver there{[&](const received&) { return scripted; }};
    EXPECT_EQ(code_of(ask(call_to(there.url()))), errc::payload_too_large);
  }
  std::string many;
  for (int i = 0; i < 200; ++i) {
    many += "X-" + std::to_string(i) + ": 1\r\n";
  }
  receiver talker{[&](const received&) { return answered(200, "", many); }};
  EXPECT_EQ(code_of(ask(call_to(talker.url()))), errc::payload_too_large);
}

TEST(poster, an_answer_of_exactly_the_bound_is_taken) {
  receiver there{[](const received&) { return answered(200, std::string(1000, 'a')); }};
  auto call = call_to(there.url());
  call.answer_bytes_max = 1000;
  EXPECT_EQ(ask(call)->body.size(), 1000U);
  call.answer_bytes_max = 999;
  EXPECT_EQ(code_of(ask(call)), errc::payload_too_large);
}

TEST(poster, nonsense_and_early_ends_are_io_errors) {
  for (const auto& nonsense :
       {scripted_answer{"SSH-2.0-OpenSSH_9.2\r\n", scripted_answer::then::close},
        scripted_answer{"", scripted_answer::then::close},
        scripted_answer{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                        scripted_answer::then::close},
        scripted_answer{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                        scripted_answer::then::close}}) {
    receiver there{[&](const received&) { return nonsense; }};
    EXPECT_EQ(code_of(ask(call_to(there.url()))), errc::io_error) << nonsense.bytes;
  }
}

TEST(poster, a_receiver_that_closes_after_each_answer_is_asked_again) {
  receiver there{[](const received&) {
    auto scripted = answered(200, "x");
    scripted.after = scripted_answer::then::close;
    return scripted;
  }};
  curl_poster poster{local_options()};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(ask(poster, call_to(there.url()))) << i;
  }
}

} // namespace
} // namespace tayfa
