// Bodies in pieces, and bodies that are made when their calls' turns come.
#include "tests/unit/http/asking.hpp"

#include <atomic>
#include <future>

namespace tayfa {
namespace {

using namespace test;

shared_text large(char of) {
  return shared_text{std::string(300'000, of)};
}

TEST(poster_bodies, pieces_are_sent_as_one_body) {
  receiver there;
  curl_poster poster{local_options()};
  answers got;
  auto call = call_to(there.url());
  call.body = "head";
  call.more = {large('a'), shared_text{"between"}, large('b'), shared_text{"tail"}};
  got.send(poster, std::move(call));
  ASSERT_TRUE(got.wait(1).front());
  EXPECT_EQ(there.requests().front().body,
            "head" + std::string(300'000, 'a') + "between" + std::string(300'000, 'b') + "tail");
}

TEST(poster_bodies, a_body_is_made_when_the_turn_of_its_call_has_come) {
  receiver slow{[](const received&) { return told{"", told::then::hang}; }};
  auto options = local_options();
  options.guarded.in_flight_max = 1;
  curl_poster poster{options};
  answers got;
  std::atomic<int> made{0};
  const auto with_maker = [&] {
    auto call = call_to(slow.url());
    call.timeout = 300ms;
    call.make_body = [&made](const outgoing_call::body_taker& take) {
      ++made;
      take({"made ", {large('x')}});
    };
    return call;
  };
  got.send(poster, with_maker());
  got.send(poster, with_maker());
  ASSERT_TRUE(slow.wait_for_requests(1));
  EXPECT_EQ(made, 1) << "the second one waits without a body";
  EXPECT_EQ(slow.requests().front().body, "made " + std::string(300'000, 'x'));
  got.wait(2);
  EXPECT_EQ(made, 2);
  EXPECT_TRUE(got.each_once());
}

TEST(poster_bodies, a_body_that_nobody_makes_ends_its_call_and_frees_its_place) {
  receiver there;
  auto options = local_options();
  options.guarded.in_flight_max = 1;
  curl_poster poster{options};
  answers got;
  auto call = call_to(there.url());
  call.make_body = [](const outgoing_call::body_taker&) {}; // forgets it
  got.send(poster, std::move(call));
  EXPECT_EQ(got.wait(1).front().error().code, errc::unavailable);
  got.send(poster, call_to(there.url()));
  EXPECT_TRUE(got.wait(2).back());
}

TEST(poster_bodies, a_call_may_be_dropped_and_the_poster_may_end_while_a_body_is_made) {
  std::vector<outgoing_call::body_taker> takers;
  std::mutex mutex;
  std::promise<void> asked;
  answers got;
  {
    curl_poster poster{local_options()};
    const auto maker = [&](const outgoing_call::body_taker& take) {
      const std::lock_guard lock{mutex};
      takers.push_back(take);
      if (takers.size() == 2) {
        asked.set_value();
      }
    };
    auto dropped = call_to("http://127.0.0.1:9/");
    dropped.make_body = maker;
    auto left = dropped;
    const auto ticket = got.send(poster, std::move(dropped));
    got.send(poster, std::move(left));
    ASSERT_EQ(asked.get_future().wait_for(10s), std::future_status::ready);
    poster.drop(ticket, 1s);
    EXPECT_EQ(got.wait(1).front().error().code, errc::cancelled);
  }
  EXPECT_EQ(got.wait(2).back().error().code, errc::stopping);
  for (const auto& take : takers) {
    take({"too late", {}}); // goes nowhere
  }
  EXPECT_TRUE(got.each_once());
}

} // namespace
} // namespace tayfa
