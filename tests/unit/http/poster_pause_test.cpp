// Calls are timed by the pod's clock: an answer that came while the pod did not run is an answer.
#include "runtime/http_client/curl_poster.hpp"

#include "tests/unit/http/asking.hpp"
#include "tests/unit/http/held_time.hpp"

#include <future>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(poster_pause, an_answer_that_came_while_the_pod_was_away_is_taken) {
  std::promise<void> answer_now;
  const auto asked_to = answer_now.get_future().share();
  receiver there{[asked_to](const received&) {
    asked_to.wait_for(20s);
    return answered(200, "a job");
  }};
  held_time time;
  auto options = local_options();
  options.time = &time;
  curl_poster poster{options};
  answers got;
  auto call = call_to(there.url());
  call.timeout = 50ms;
  got.send(poster, std::move(call));
  ASSERT_TRUE(time.wait_until_asked(5)) << "its time is over, by the system's clock";
  answer_now.set_value();
  const auto& all = got.wait(1);
  ASSERT_TRUE(all.front()) << all.front().error().str();
  EXPECT_EQ(all.front()->body, "a job");
}

TEST(poster_pause, a_receiver_that_says_nothing_is_given_up_all_the_same) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  held_time time;
  auto options = local_options();
  options.time = &time;
  curl_poster poster{options};
  answers got;
  auto call = call_to(dead.url());
  call.timeout = 50ms;
  got.send(poster, std::move(call));
  ASSERT_TRUE(time.wait_until_asked(3));
  EXPECT_EQ(got.size(), 0U);
  time.let_go();
  got.wait(1);
  EXPECT_EQ(got.count(errc::request_timeout), 1U);
}

} // namespace
} // namespace tayfa
