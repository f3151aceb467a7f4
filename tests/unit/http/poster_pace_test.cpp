// Outgoing calls may take as long as they go on, in each of their parts.
#include "runtime/http_client/curl_poster.hpp"

#include "tests/unit/http/asking.hpp"
#include "tests/unit/http/manual_time.hpp"

#include <poll.h>

namespace tayfa {
namespace {

using namespace test;

constexpr auto idle = 100ms;

/// Takes one call, and of it what the test says.
class slow_receiver {
 public:
  slow_receiver() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int small = 65'536; // else the kernel takes megabytes for us
    ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const any = reinterpret_cast<sockaddr*>(&at);
    EXPECT_EQ(::bind(listener_, any, size), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    EXPECT_EQ(::getsockname(listener_, any, &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port)) + "/hook";
  }
  slow_receiver(const slow_receiver&) = delete;
  slow_receiver& operator=(const slow_receiver&) = delete;
  ~slow_receiver() {
    ::close(caller_);
    ::close(listener_);
  }

  const std::string& url() const { return url_; }
  void accept() {
    caller_ = ::accept(listener_, nullptr, nullptr);
    timeval limit{10, 0};
    ::setsockopt(caller_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  std::size_t read_some(std::size_t most) {
    std::string bytes(most, 0);
    const ssize_t got = ::recv(caller_, bytes.data(), bytes.size(), 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  bool write(std::string_view text) {
    return ::send(caller_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

 private:
  int listener_;
  int caller_ = -1;
  std::string url_;
};

struct timed_poster {
  timed_poster() : poster_((options_.time = &time, options_)) {}

  manual_time time;
  answers got;
  void send(outgoing_call call) { got.send(poster_, std::move(call)); }
  /// Time passes, and the poster has seen it.
  void pass(std::chrono::nanoseconds pause) {
    const auto before = time.asked();
    time.advance(pause);
    bool seen = false;
    for (int i = 0; i < 4'000 && !seen; ++i) {
      seen = time.was_asked_since(before, 5ms) || got.size() > 0;
    }
    EXPECT_TRUE(seen);
  }

 private:
  poster_options options_ = local_options();
  curl_poster poster_;
};

outgoing_call large_call(const std::string& url, std::size_t bytes, bool in_pieces) {
  auto call = call_to(url);
  call.timeout = idle;
  call.least_rate = 1'000;
  if (in_pieces) {
    call.more.emplace_back(std::string(bytes - call.body.size(), 'x'));
  } else {
    call.body.resize(bytes, 'x');
  }
  return call;
}

TEST(poster_pace, a_body_that_is_taken_slowly_arrives_and_its_answer_is_waited_for) {
  constexpr std::size_t bytes = std::size_t{8} << 20;
  for (const bool in_pieces : {false, true}) {
    slow_receiver there;
    timed_poster poster;
    poster.send(large_call(there.url(), bytes, in_pieces));
    there.accept();
    std::size_t taken = 0;
    std::chrono::nanoseconds passed{0};
    while (taken < bytes) { // the head is small beside the kernel's buffers
      const auto some = there.read_some(std::size_t{256} << 10);
      ASSERT_GT(some, 0U) << "given up after " << taken;
      taken += some;
      if (bytes - taken > (std::size_t{5} << 20)) {
        poster.pass(idle / 3);
        passed += idle / 3;
      }
    }
    EXPECT_GT(passed, 2 * idle) << "more than a total would have left it";
    poster.pass(idle / 2);
    ASSERT_TRUE(there.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
    ASSERT_TRUE(there.write("ok"));
    const auto& all = poster.got.wait(1);
    ASSERT_TRUE(all.front()) << all.front().error().str();
    EXPECT_EQ(all.front()->body, "ok");
  }
}

TEST(poster_pace, a_receiver_that_takes_a_little_now_and_then_is_given_up) {
  slow_receiver there;
  timed_poster poster;
  auto call = large_call(there.url(), std::size_t{8} << 20, false);
  call.least_rate = std::uint64_t{1} << 30;
  poster.send(std::move(call));
  there.accept();
  for (int i = 0; i < 1'000 && poster.got.size() == 0; ++i) {
    there.read_some(1'000);
    poster.pass(idle / 4);
  }
  poster.got.wait(1);
  EXPECT_EQ(poster.got.count(errc::request_timeout), 1U);
}

TEST(poster_pace, an_answer_that_goes_on_is_read_to_its_end_and_one_that_drips_is_not) {
  for (const bool drips : {false, true}) {
    slow_receiver there;
    timed_poster poster;
    auto call = large_call(there.url(), 100, false);
    call.least_rate = 10'000;
    call.answer_bytes_max = 1'000'000;
    poster.send(std::move(call));
    there.accept();
    there.read_some(10'000);
    ASSERT_TRUE(there.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
    const std::string piece(drips ? 1 : 5'000, 'y');
    for (int i = 0; i < 20 && poster.got.size() == 0; ++i) {
      poster.pass(idle / 4);
      there.write(piece);
    }
    const auto& all = poster.got.wait(1);
    EXPECT_EQ(all.front().has_value(), !drips);
    EXPECT_EQ(poster.got.count(errc::request_timeout), drips ? 1U : 0U);
  }
}

TEST(poster_pace, standing_still_ends_it_in_each_part) {
  for (const int part : {0, 1, 2}) { // sending, waiting, receiving
    slow_receiver there;
    timed_poster poster;
    poster.send(large_call(there.url(), part == 0 ? std::size_t{8} << 20 : 100, false));
    there.accept();
    if (part > 0) {
      there.read_some(10'000);
    }
    if (part > 1) {
      there.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
    }
    std::chrono::nanoseconds passed{0};
    for (; passed < 1h && poster.got.size() == 0; passed += idle / 4) {
      poster.pass(idle / 4);
    }
    EXPECT_LT(passed, 20 * idle) << part;
    poster.got.wait(1);
    EXPECT_EQ(poster.got.count(errc::request_timeout), 1U) << part;
  }
}

} // namespace
} // namespace tayfa
