// Dropped calls: the server is notified, and an answer it had sent is still accepted.
#include "tests/unit/http/asking.hpp"
#include "tests/unit/http/full_backlog.hpp"

#include <cstdlib>
#include <future>
#include <set>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;

constexpr auto long_time = 60s; ///< no test waits for it

outgoing_call poll_of(std::string url) {
  outgoing_call call;
  call.method = "GET";
  call.url = std::move(url);
  call.timeout = long_time;
  call.guarded = false;
  return call;
}

/// Holds /poll until the caller says goodbye, and then says `last`; answers all else at once.
receiver::answerer holding(std::string last = {}) {
  return [last = std::move(last)](const received& r) {
    return r.head.starts_with("GET /poll")
               ? scripted_answer{last, scripted_answer::then::at_goodbye}
               : answered(200);
  };
}

TEST(poster_drop, the_server_learns_that_nothing_more_is_wanted) {
  receiver there{holding()};
  answers got;
  curl_poster poster{local_options()};
  const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
  ASSERT_TRUE(there.wait_for_requests(1));
  poster.drop(ticket, long_time);
  EXPECT_TRUE(there.wait_for_goodbyes(1));
  EXPECT_EQ(code_of(got.wait(1).front()), errc::cancelled) << "the server closed without an answer";
}

TEST(poster_drop, what_the_server_says_last_is_an_answer_like_any_other) {
  receiver there{holding(answered(200, R"({"id":"j1"})").bytes)};
  answers got;
  curl_poster poster{local_options()};
  const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
  ASSERT_TRUE(there.wait_for_requests(1));
  poster.drop(ticket, long_time);
  const auto& answer = got.wait(1).front();
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(answer->body, R"({"id":"j1"})");
}

TEST(poster_drop, it_works_over_ipv6_and_through_a_proxy_as_well) {
  receiver six{holding(answered(200, "six").bytes), "::1"};
  receiver proxy{[](const received&) {
    return scripted_answer{answered(200, "proxied").bytes, scripted_answer::then::at_goodbye};
  }};
  const std::string proxy_url = proxy.url("127.0.0.1", "");
  answers got;
  curl_poster poster{local_options()};
  if (six.listening()) {
    const auto ticket = got.send(poster, poll_of(six.url("[::1]", "/poll")));
    ASSERT_TRUE(six.wait_for_requests(1));
    poster.drop(ticket, long_time);
    EXPECT_EQ(got.wait(1).back()->body, "six");
  }
  ::setenv("http_proxy", proxy_url.c_str(), 1);
  const auto ticket = got.send(poster, poll_of("http://runpod.test/poll"));
  EXPECT_TRUE(proxy.wait_for_requests(1));
  ::unsetenv("http_proxy");
  poster.drop(ticket, long_time);
  EXPECT_EQ(got.wait(six.listening() ? 2 : 1).back()->body, "proxied");
}

TEST(poster_drop, a_server_that_does_not_care_is_left_when_the_time_is_over) {
  receiver there{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  answers got;
  curl_poster poster{local_options()};
  std::size_t sent = 0;
  for (const auto linger : {0ms, 30ms}) {
    ++sent;
    const auto ticket = got.send(poster, poll_of(there.url()));
    ASSERT_TRUE(there.wait_for_requests(sent));
    poster.drop(ticket, linger);
    got.wait(sent);
  }
  EXPECT_EQ(got.count(errc::cancelled), 2U);
}

TEST(poster_drop, half_an_answer_is_none) {
  receiver there{[](const received&) {
    return scripted_answer{"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
                           scripted_answer::then::drip};
  }};
  answers got;
  curl_poster poster{local_options()};
  const auto ticket = got.send(poster, poll_of(there.url()));
  ASSERT_TRUE(there.wait_for_requests(1));
  poster.drop(ticket, 50ms);
  EXPECT_EQ(code_of(got.wait(1).front()), errc::cancelled);
}

/// The server answers at about the time of the drop: what it has answered is never lost.
TEST(poster_drop, an_answer_under_way_arrives) {
  receiver there;
  curl_poster poster{local_options()};
  for (std::size_t i = 1; i <= 200; ++i) {
    answers got;
    const auto ticket = got.send(poster, poll_of(there.url()));
    ASSERT_TRUE(there.wait_for_requests(i));
    poster.drop(ticket, long_time);
    ASSERT_TRUE(got.wait(1).front()) << i << got.wait(1).front().error().str();
  }
}

/// Dropped at any moment at all: one end each, and an answer for each that was served.
TEST(poster_drop, each_call_ends_once_whenever_it_is_dropped) {
  receiver there;
  answers got;
  constexpr std::size_t calls = 500;
  {
    curl_poster poster{local_options()};
    for (std::size_t i = 0; i < calls; ++i) {
      const std::size_t before = there.requests().size();
      const auto ticket = got.send(poster, poll_of(there.url()));
      if (i % 3 == 0) {
        there.wait_for_requests(before + i % 2);
      }
      poster.drop(ticket, long_time);
    }
    got.wait(calls);
  }
  EXPECT_TRUE(got.each_once());
  const auto cancelled = got.count(errc::cancelled);
  EXPECT_EQ(calls - cancelled, there.requests().size());
}

TEST(poster_drop, a_dropped_call_s_connection_serves_no_other_and_no_second_try) {
  receiver there{holding()};
  answers got;
  curl_poster poster{local_options()};
  auto first = poll_of(there.url());
  ASSERT_TRUE(ask(poster, first));
  const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
  ASSERT_TRUE(there.wait_for_requests(2));
  ASSERT_EQ(there.connections(), 1U) << "the poll is on the connection of the call before";
  poster.drop(ticket, long_time);
  ASSERT_TRUE(there.wait_for_goodbyes(1));
  EXPECT_EQ(code_of(got.wait(1).front()), errc::cancelled);
  ASSERT_TRUE(ask(poster, first));
  EXPECT_EQ(there.requests().size(), 3U) << "libcurl must not have asked again by itself";
  EXPECT_EQ(there.connections(), 2U);
}

TEST(poster_drop, an_answer_to_a_goodbye_does_not_save_the_connection) {
  // Answered with keep-alive: only this side knows that the connection is half closed.
  std::promise<void> dropped;
  auto when_dropped = dropped.get_future().share();
  receiver there{[&](const received& r) {
    if (r.head.starts_with("GET /poll")) {
      when_dropped.wait_for(20s);
    }
    return answered(200);
  }};
  answers got;
  curl_poster poster{local_options()};
  const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
  const auto other = got.send(poster, poll_of(there.url("127.0.0.1", "/other")));
  got.wait(1);
  poster.drop(ticket, long_time);
  poster.drop(other, long_time);                                              // ended: ignored
  const auto marker = ask(poster, poll_of(there.url("127.0.0.1", "/other"))); // the drop is done
  dropped.set_value();
  EXPECT_TRUE(marker);
  for (const auto& answer : got.wait(2)) {
    EXPECT_TRUE(answer);
  }
  EXPECT_TRUE(ask(poster, poll_of(there.url("127.0.0.1", "/other"))));
  EXPECT_EQ(there.connections(), 2U);
  EXPECT_EQ(there.requests().size(), 4U);
}

TEST(poster_drop, only_the_dropped_one_of_many_is_informed) {
  receiver there{holding(answered(204).bytes)};
  answers got;
  curl_poster poster{local_options()};
  std::vector<call_ticket> tickets;
  for (std::size_t i = 0; i < 20; ++i) {
    tickets.push_back(got.send(poster, poll_of(there.url("127.0.0.1", "/poll"))));
  }
  EXPECT_EQ(std::set<call_ticket>(tickets.begin(), tickets.end()).size(), 20U);
  ASSERT_TRUE(there.wait_for_requests(20));
  for (std::size_t i = 0; i < 20; i += 2) {
    poster.drop(tickets[i], long_time);
    got.wait(i / 2 + 1);
    EXPECT_EQ(there.goodbyes(), i / 2 + 1);
  }
  EXPECT_EQ(got.size(), 10U);
}

TEST(poster_drop, a_call_that_waits_ends_at_once) {
  receiver there{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  auto options = local_options();
  options.unguarded.per_target_max = 1;
  answers first;
  answers rest;
  curl_poster poster{options};
  first.send(poster, poll_of(there.url()));
  ASSERT_TRUE(there.wait_for_requests(1));
  std::vector<call_ticket> tickets;
  for (int i = 0; i < 3; ++i) {
    tickets.push_back(rest.send(poster, poll_of(there.url())));
  }
  for (const auto ticket : {tickets[1], tickets[0], tickets[2]}) {
    poster.drop(ticket, long_time);
  }
  rest.wait(3);
  EXPECT_EQ(rest.count(errc::cancelled), 3U);
  EXPECT_EQ(first.size(), 0U);
  EXPECT_EQ(there.requests().size(), 1U);
}

TEST(poster_drop, a_call_that_is_not_connected_ends_at_once) {
  const full_backlog nobody;
  answers got;
  curl_poster poster{local_options()};
  const auto ticket = got.send(poster, poll_of(nobody.url()));
  poster.drop(ticket, long_time);
  EXPECT_EQ(code_of(got.wait(1).front()), errc::cancelled);
  const auto unresolved = got.send(poster, poll_of("http://no-such-name.invalid/"));
  poster.drop(unresolved, long_time);
  got.wait(2);
  EXPECT_TRUE(got.each_once());
}

TEST(poster_drop, an_upload_that_is_not_taken_ends) {
  // The receiver does not read: the body fills the kernel's buffers only.
  const full_backlog nobody{1};
  answers got;
  curl_poster poster{local_options()};
  auto call = poll_of(nobody.url());
  call.method = "POST";
  call.body.assign(20'000'000, 'b');
  const auto ticket = got.send(poster, std::move(call));
  ASSERT_TRUE(nobody.somebody_came());
  poster.drop(ticket, 1s);
  EXPECT_EQ(code_of(got.wait(1).front()), errc::cancelled);
}

TEST(poster_drop, unknown_tickets_and_repeated_drops_are_harmless) {
  receiver there{holding()};
  answers got;
  curl_poster poster{local_options()};
  poster.drop(0, 1s);
  poster.drop(77, 1s);
  const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
  ASSERT_TRUE(there.wait_for_requests(1));
  for (int i = 0; i < 3; ++i) {
    poster.drop(ticket, long_time);
  }
  got.wait(1);
  poster.drop(ticket, 0ms);
  EXPECT_TRUE(ask(poster, poll_of(there.url())));
  EXPECT_TRUE(got.each_once());
  EXPECT_EQ(there.goodbyes(), 1U);
}

TEST(poster_drop, a_call_may_be_dropped_from_an_answer_and_at_the_end) {
  receiver there{[](const received& r) {
    return r.head.starts_with("GET /poll") ? scripted_answer{"", scripted_answer::then::hang}
                                           : answered(200);
  }};
  answers got;
  {
    curl_poster poster{local_options()};
    const auto ticket = got.send(poster, poll_of(there.url("127.0.0.1", "/poll")));
    ASSERT_TRUE(there.wait_for_requests(1));
    std::promise<void> said;
    poster.send(poll_of(there.url()), [&](const result<outgoing_answer>&) {
      poster.drop(ticket, long_time);
      said.set_value();
    });
    said.get_future().wait();
  }
  EXPECT_EQ(got.count(errc::stopping) + got.count(errc::cancelled), 1U);
  EXPECT_TRUE(got.each_once());
}

} // namespace
} // namespace tayfa
