// The poster for a worker that pulls its jobs: long polls, compressed answers, many calls to one
// host over few connections, proxies, and one answer although libcurl may retry.
#include "tests/unit/http/asking.hpp"

#include <atomic>
#include <cstdlib>
#include <future>
#include <gmock/gmock.h>
#include <zlib.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;

outgoing_call own_call(std::string url, std::string method = "GET") {
  outgoing_call call;
  call.method = std::move(method);
  call.url = std::move(url);
  call.timeout = 60s;
  call.guarded = false;
  return call;
}

/// `window` as zlib has it: 15 is zlib's own format ("deflate"), 31 gzip.
std::string packed(const std::string& text, int window) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// ---- compressed answers ------------------------------------------------------------------------

TEST(poster_pull, compressed_answers_are_unpacked) {
  const std::string text = R"({"id":"j1","input":{"prompt":"a ship"}})";
  receiver there{[&](const received& r) {
    return r.head.starts_with("GET /gzip")
               ? answered(200, packed(text, 31), "Content-Encoding: gzip\r\n")
               : answered(200, packed(text, 15), "Content-Encoding: deflate\r\n");
  }};
  curl_poster poster{local_options()};
  for (const std::string path : {"/gzip", "/deflate"}) {
    auto call = own_call(there.url("127.0.0.1", path));
    call.compressed = true;
    const auto answer = ask(poster, call);
    ASSERT_TRUE(answer) << answer.error().str();
    EXPECT_EQ(answer->body, text);
  }
  EXPECT_TRUE(there.requests()[0].has("\r\nAccept-Encoding: gzip, deflate\r\n"));
}

TEST(poster_pull, a_caller_that_did_not_ask_for_decoding_gets_bytes_as_they_are) {
  const std::string bytes = packed("text", 31);
  receiver there{
      [&](const received&) { return answered(200, bytes, "Content-Encoding: gzip\r\n"); }};
  EXPECT_EQ(ask(own_call(there.url()))->body, bytes);
  EXPECT_FALSE(there.requests()[0].has("Accept-Encoding"));
}

TEST(poster_pull, the_plain_text_of_a_compressed_answer_is_bounded) {
  const std::string bomb = packed(std::string(50'000'000, 'a'), 31);
  ASSERT_LT(bomb.size(), 64U * 1024);
  receiver there{
      [&](const received&) { return answered(200, bomb, "Content-Encoding: gzip\r\n"); }};
  auto call = own_call(there.url());
  call.compressed = true;
  EXPECT_EQ(code_of(ask(call)), errc::payload_too_large);
}

TEST(poster_pull, a_broken_packing_is_an_error) {
  const std::string whole = packed(std::string(10'000, 'a'), 31);
  for (const auto& [bytes, coding] : std::vector<std::pair<std::string, std::string>>{
           {"no gzip at all", "gzip"}, {whole, "br"}, {"garbage", "deflate"}}) {
    receiver there{[&, b = bytes, c = coding](const received&) {
      return answered(200, b, "Content-Encoding: " + c + "\r\n");
    }};
    auto call = own_call(there.url());
    call.compressed = true;
    EXPECT_EQ(code_of(ask(call)), errc::io_error) << coding;
  }
}

// ---- who asks ----------------------------------------------------------------------------------

TEST(poster_pull, the_caller_names_itself) {
  receiver there;
  auto call = own_call(there.url());
  call.user_agent = "RunPod-Python-SDK/1.12.0 (Linux 6.1; x86_64) Language/Python 3.11.7";
  ASSERT_TRUE(ask(call));
  EXPECT_TRUE(there.requests()[0].has("\r\nUser-Agent: " + call.user_agent + "\r\n"));
  call.user_agent = "x\r\nX-Evil: 1";
  EXPECT_EQ(code_of(ask(call)), errc::bad_request);
  call.user_agent = std::string(10'000, 'a');
  EXPECT_EQ(code_of(ask(call)), errc::bad_request);
  EXPECT_EQ(there.requests().size(), 1U);
}

// ---- long polls --------------------------------------------------------------------------------

/// Only the call's own timeout ends a silent poll: here the answer comes when another call, begun
/// at the same time and as long as several connect timeouts, has timed out.
TEST(poster_pull, a_silent_poll_is_not_cut_short) {
  std::promise<void> timed_out;
  auto when = timed_out.get_future().share();
  receiver there{[&](const received& r) {
    if (r.head.starts_with("GET /long")) {
      when.wait_for(20s);
      return answered(200, "job");
    }
    return scripted_answer{"", scripted_answer::then::hang};
  }};
  auto options = local_options();
  options.connect_timeout = 50ms;
  answers got;
  curl_poster poster{options};
  got.send(poster, own_call(there.url("127.0.0.1", "/long")));
  auto brief = own_call(there.url("127.0.0.1", "/short"));
  brief.timeout = 400ms;
  EXPECT_EQ(code_of(ask(poster, brief)), errc::request_timeout);
  EXPECT_EQ(got.size(), 0U);
  timed_out.set_value();
  EXPECT_EQ(got.wait(1).front()->body, "job");
}

TEST(poster_pull, a_hundred_polls_of_one_host_are_held_at_once) {
  std::promise<void> all_here;
  auto when = all_here.get_future().share();
  std::atomic<int> here{0};
  receiver there{[&](const received&) {
    if (++here == 100) {
      all_here.set_value();
    }
    when.wait_for(20s);
    return answered(204);
  }};
  answers got;
  curl_poster poster{local_options()};
  for (int i = 0; i < 100; ++i) {
    got.send(poster, own_call(there.url()));
  }
  for (const auto& answer : got.wait(100)) {
    ASSERT_TRUE(answer) << answer.error().str();
  }
  EXPECT_EQ(there.connections(), 100U);
}

TEST(poster_pull, webhooks_that_hang_take_no_place_from_own_calls) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  receiver there;
  auto options = local_options();
  options.guarded = {.in_flight_max = 1, .per_target_max = 1, .open_max = 3};
  options.unguarded = {.in_flight_max = 1, .per_target_max = 1, .open_max = 3};
  answers hooks;
  curl_poster poster{options};
  for (int i = 0; i < 4; ++i) {
    auto hook = call_to(dead.url());
    hook.timeout = 60s;
    hooks.send(poster, std::move(hook));
  }
  ASSERT_TRUE(dead.wait_for_requests(1));
  hooks.wait(1);
  EXPECT_EQ(hooks.count(errc::queue_full), 1U);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(ask(poster, own_call(there.url())));
  }
}

// ---- connections -------------------------------------------------------------------------------

TEST(poster_pull, calls_in_turn_use_one_connection) {
  receiver there{[](const received& r) { return answered(200, r.body); }};
  curl_poster poster{local_options()};
  for (int i = 0; i < 50; ++i) {
    auto call = own_call(there.url(), i % 2 == 0 ? "GET" : "POST");
    call.body = i % 2 == 0 ? "" : std::string(static_cast<std::size_t>(i) * 1000, 'b');
    const auto answer = ask(poster, call);
    ASSERT_TRUE(answer) << i << answer.error().str();
    EXPECT_EQ(answer->body.size(), call.body.size());
  }
  EXPECT_EQ(there.connections(), 1U);
}

/// libcurl retries by itself when a reused connection ends without a byte; the caller gets one
/// answer, and only that of the last try.
TEST(poster_pull, a_call_on_a_dead_connection_has_one_answer) {
  std::atomic<int> posts{0};
  receiver there{[&](const received& r) {
    if (r.head.starts_with("POST") && posts++ == 0) {
      return scripted_answer{"", scripted_answer::then::close};
    }
    return answered(200, "posted " + r.body, "X-Try: " + std::to_string(posts) + "\r\n");
  }};
  answers got;
  curl_poster poster{local_options()};
  ASSERT_TRUE(ask(poster, own_call(there.url())));
  auto call = own_call(there.url(), "POST");
  call.body = std::string(200'000, 'r');
  call.answer_bytes_max = 1'000'000;
  got.send(poster, call);
  const auto& answer = got.wait(1).front();
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->body, "posted " + call.body.substr(0, answer->body.size() - 7));
  EXPECT_EQ(answer->body.size(), call.body.size() + 7);
  EXPECT_THAT(answer->headers, ::testing::Contains(::testing::Pair("x-try", "2")));
  EXPECT_EQ(posts, 2);
  ASSERT_TRUE(ask(poster, own_call(there.url())));
  EXPECT_TRUE(got.each_once());
}

// ---- proxies -----------------------------------------------------------------------------------

class with_environment {
 public:
  with_environment(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  with_environment(const with_environment&) = delete;
  with_environment& operator=(const with_environment&) = delete;
  ~with_environment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(poster_pull, own_calls_go_through_the_environment_s_proxy) {
  receiver proxy{[](const received&) { return answered(200, "by proxy"); }};
  const with_environment set{"http_proxy", proxy.url("user:pass@127.0.0.1", "")};
  curl_poster poster{local_options()};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(poster, own_call("http://runpod.test/v2/e/job-take/w?x=1"))->body, "by proxy");
  }
  const auto got = proxy.requests();
  EXPECT_TRUE(got.front().head.starts_with("GET http://runpod.test/v2/e/job-take/w?x=1 HTTP/1.1"))
      << got.front().head;
  EXPECT_TRUE(got.front().has("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
  EXPECT_EQ(proxy.connections(), 1U);
}

TEST(poster_pull, a_secure_call_asks_the_proxy_for_a_tunnel) {
  receiver proxy{[](const received&) {
    auto no = answered(403, "no tunnels");
    no.after = scripted_answer::then::close;
    return no;
  }};
  const with_environment set{"https_proxy", proxy.url("127.0.0.1", "")};
  EXPECT_EQ(code_of(ask(own_call("https://runpod.test/x"))), errc::io_error);
  EXPECT_TRUE(proxy.requests().front().head.starts_with("CONNECT runpod.test:443 HTTP/1.1"));
}

TEST(poster_pull, the_environment_names_hosts_that_need_no_proxy) {
  receiver proxy;
  receiver there;
  const with_environment set{"http_proxy", proxy.url("127.0.0.1", "")};
  const with_environment but{"no_proxy", "runpod.test"};
  auto options = local_options();
  options.pinned = {"runpod.test:" + std::to_string(there.port()) + ":127.0.0.1"};
  EXPECT_TRUE(ask(own_call(there.url("runpod.test")), options));
  EXPECT_EQ(there.requests().size(), 1U);
  EXPECT_TRUE(proxy.requests().empty());
}

} // namespace
} // namespace tayfa
