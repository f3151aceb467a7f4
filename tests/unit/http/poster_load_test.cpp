// Many calls at once, bounds, and the poster's own end.
#include "runtime/http_client/curl_poster.hpp"

#include "runtime/http_client/call_queues.hpp"
#include "tests/support/property.hpp"
#include "tests/unit/http/asking.hpp"

#include <atomic>
#include <gmock/gmock.h>
#include <set>

namespace tayfa {
namespace {

using namespace std::chrono_literals;
using namespace test;

TEST(poster, a_thousand_calls_share_a_few_connections) {
  receiver there;
  auto options = local_options();
  options.guarded.per_target_max = 8;
  curl_poster poster{options};
  answers got;
  for (int i = 0; i < 1000; ++i) {
    auto call = call_to(there.url());
    call.body = std::to_string(i);
    got.send(poster, std::move(call));
  }
  for (const auto& answer : got.wait(1000)) {
    ASSERT_TRUE(answer) << answer.error().str();
  }
  EXPECT_TRUE(got.each_once());
  std::set<std::string> bodies;
  for (const auto& request : there.requests()) {
    bodies.insert(request.body);
  }
  EXPECT_EQ(bodies.size(), 1000U);
  EXPECT_LE(there.connections(), 8U);
}

TEST(poster, a_receiver_that_hangs_does_not_hold_back_the_others) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  receiver alive;
  auto options = local_options();
  options.guarded.in_flight_max = 4;
  options.guarded.per_target_max = 2;
  answers of_dead;
  answers of_alive;
  {
    curl_poster poster{options};
    for (int i = 0; i < 20; ++i) {
      auto call = call_to(dead.url());
      call.timeout = 60s;
      of_dead.send(poster, std::move(call));
    }
    ASSERT_TRUE(dead.wait_for_requests(2));
    for (int i = 0; i < 50; ++i) {
      of_alive.send(poster, call_to(alive.url()));
    }
    of_alive.wait(50);
    EXPECT_EQ(of_dead.size(), 0U);
    EXPECT_EQ(dead.connections(), 2U) << "no more than two of its calls run";
  }
  EXPECT_EQ(of_dead.count(errc::stopping), 20U);
}

TEST(poster, beyond_its_bounds_a_call_is_refused_at_once) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  auto options = local_options();
  options.guarded.in_flight_max = 1;
  options.guarded.open_max = 3;
  options.guarded.open_bytes_max = 100'000;
  answers got;
  {
    curl_poster poster{options};
    for (int i = 0; i < 5; ++i) {
      auto call = call_to(dead.url());
      call.timeout = 60s;
      got.send(poster, std::move(call));
    }
    got.wait(2);
    EXPECT_EQ(got.count(errc::queue_full), 2U);
  }
  EXPECT_EQ(got.count(errc::stopping), 3U);
  EXPECT_TRUE(got.each_once());

  receiver there;
  curl_poster poster{options};
  auto call = call_to(there.url());
  call.body = std::string(100'000, 'a');
  EXPECT_EQ(code_of(ask(poster, call)), errc::queue_full);
  call.body = std::string(10'000, 'a');
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(ask(poster, call)) << "what has ended makes room; " << i;
  }
}

TEST(poster, at_its_end_every_open_call_gets_an_outcome) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  answers got;
  {
    curl_poster poster{local_options()};
    for (int i = 0; i < 100; ++i) {
      auto call = call_to(dead.url());
      call.timeout = 60s;
      got.send(poster, std::move(call));
    }
    ASSERT_TRUE(dead.wait_for_requests(1));
  }
  EXPECT_EQ(got.count(errc::stopping), 100U);
  EXPECT_TRUE(got.each_once());
}

TEST(poster, its_end_does_not_wait_for_a_resolver) {
  answers got;
  {
    curl_poster poster{local_options()};
    for (int i = 0; i < 10; ++i) {
      got.send(poster, call_to("http://name-" + std::to_string(i) + ".invalid/"));
    }
  }
  EXPECT_EQ(got.size(), 10U);
  EXPECT_TRUE(got.each_once());
}

TEST(poster, what_is_sent_again_from_an_answer_is_served) {
  receiver there;
  answers last;
  std::atomic<int> left{5};
  curl_poster poster{local_options()};
  std::function<void(result<outgoing_answer>)> again = [&](const result<outgoing_answer>& a) {
    EXPECT_TRUE(a);
    if (--left > 0) {
      poster.send(call_to(there.url()), again);
    } else {
      last.send(poster, call_to(there.url()));
    }
  };
  poster.send(call_to(there.url()), again);
  EXPECT_TRUE(last.wait(1).front());
  EXPECT_EQ(there.requests().size(), 6U);
}

TEST(poster, a_call_sent_again_at_the_end_gets_an_outcome) {
  receiver dead{[](const received&) { return scripted_answer{"", scripted_answer::then::hang}; }};
  answers late;
  {
    curl_poster poster{local_options()};
    auto call = call_to(dead.url());
    call.timeout = 60s;
    poster.send(call, [&](const result<outgoing_answer>& a) {
      EXPECT_EQ(code_of(a), errc::stopping);
      late.send(poster, call_to(dead.url()));
    });
    ASSERT_TRUE(dead.wait_for_requests(1));
  }
  EXPECT_EQ(late.count(errc::stopping), 1U);
}

TEST(poster, sends_from_many_threads) {
  receiver there;
  answers got[4];
  curl_poster poster{local_options()};
  std::vector<std::thread> senders;
  for (auto& mine : got) {
    senders.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        mine.send(poster, call_to(there.url()));
      }
    });
  }
  for (auto& sender : senders) {
    sender.join();
  }
  for (auto& mine : got) {
    mine.wait(100);
    EXPECT_TRUE(mine.each_once());
  }
  EXPECT_EQ(there.requests().size(), 400U);
}

// ---- queues ------------------------------------------------------------------------------------

TEST(call_queues, targets_take_turns_and_none_runs_more_than_its_share) {
  call_queues<int> queues{2};
  for (int i = 0; i < 4; ++i) {
    queues.push("a", i);
  }
  queues.push("b", 10);
  EXPECT_EQ(queues.next(), 0);
  EXPECT_EQ(queues.next(), 10);
  EXPECT_EQ(queues.next(), 1);
  EXPECT_EQ(queues.next(), std::nullopt) << "a is full, b is empty";
  queues.ended("b");
  EXPECT_EQ(queues.targets(), 1U);
  EXPECT_EQ(queues.next(), std::nullopt);
  queues.ended("a");
  EXPECT_EQ(queues.next(), 2);
  queues.push("b", 11);
  EXPECT_THAT(queues.take_all(), ::testing::UnorderedElementsAre(3, 11));
  EXPECT_EQ(queues.next(), std::nullopt);
  queues.ended("a");
  queues.ended("a");
  EXPECT_EQ(queues.targets(), 0U) << "nothing is kept of a target without calls";
}

/// Against a list that is searched: the next is always the first of its target, of a target with
/// room; nothing is withheld while such a target has a call.
TEST(call_queues, behave_as_a_searched_list_does) {
  using step = std::pair<std::uint8_t, std::uint8_t>;
  EXPECT_TRUE(testing::property(500, [](const std::vector<step>& steps, std::uint8_t seed) {
    const std::size_t most = 1 + seed % 3;
    call_queues<std::pair<std::string, int>> queues{most};
    std::map<std::string, std::deque<int>> waiting;
    std::map<std::string, std::size_t> running;
    int number = 0;
    for (const auto& [kind, which] : steps) {
      const std::string target(1, static_cast<char>('a' + which % 4));
      if (kind % 3 == 0) {
        queues.push(target, {target, number});
        waiting[target].push_back(number++);
      } else if (kind % 3 == 1) {
        const bool any = std::any_of(waiting.begin(), waiting.end(), [&](const auto& w) {
          return !w.second.empty() && running[w.first] < most;
        });
        const auto next = queues.next();
        RC_ASSERT(next.has_value() == any);
        if (next) {
          RC_ASSERT(waiting[next->first].front() == next->second);
          waiting[next->first].pop_front();
          RC_ASSERT(++running[next->first] <= most);
        }
      } else if (running[target] > 0) {
        --running[target];
        queues.ended(target);
      }
    }
    std::size_t left = 0;
    for (const auto& [target, calls] : waiting) {
      left += calls.size();
    }
    RC_ASSERT(queues.take_all().size() == left);
  }));
}

} // namespace
} // namespace tayfa
