#include "runtime/core/held_calls.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<held_calls::number>;

const job_id one{"one"};
const job_id two{"two"};

struct script {
  held_calls held;
  moment begin{};
  moment at(milliseconds ms) const { return begin + ms; }
  /// The calls that are due then, those that are over with a minus.
  std::vector<std::int64_t> due(milliseconds ms) {
    std::vector<std::int64_t> out;
    for (const auto& each : held.due(at(ms))) {
      const auto call = static_cast<std::int64_t>(each.call);
      out.push_back(each.over ? -call : call);
    }
    EXPECT_EQ(held.audit(), std::vector<std::string>{});
    return out;
  }
};
using due_list = std::vector<std::int64_t>;

TEST(held_calls, a_call_is_over_at_the_end_of_its_wait_and_once) {
  script s;
  s.held.hold(s.at(0ms), one, held_for::end, 1'000ms);
  s.held.hold(s.at(0ms), two, held_for::chunks, 500ms);
  EXPECT_EQ(s.held.next_due(), s.at(500ms));
  EXPECT_EQ(s.due(499ms), due_list{});
  EXPECT_EQ(s.due(500ms), due_list{-2});
  EXPECT_EQ(s.due(700ms), due_list{}) << "it is being answered";
  EXPECT_TRUE(s.held.holds(2)) << "until it is";
  s.held.release(2);
  s.held.release(2);
  EXPECT_FALSE(s.held.holds(2));
  EXPECT_EQ(s.due(2'000ms), due_list{-1});
  EXPECT_EQ(s.held.next_due(), std::nullopt);
}

TEST(held_calls, chunks_that_come_close_together_travel_together) {
  script s;
  const auto call = s.held.hold(s.at(0ms), one, held_for::chunks, 5'000ms);
  EXPECT_EQ(s.held.streamed(s.at(10ms), one), numbers{}) << "a moment more";
  EXPECT_EQ(s.held.next_due(), s.at(100ms));
  EXPECT_EQ(s.held.streamed(s.at(20ms), one), numbers{});
  EXPECT_EQ(s.due(99ms), due_list{});
  EXPECT_EQ(s.due(100ms), due_list{1});
  EXPECT_TRUE(s.held.may_answer(s.at(100ms), call));
}

TEST(held_calls, a_chunk_that_comes_late_goes_at_once) {
  script s;
  s.held.hold(s.at(0ms), one, held_for::chunks, 5'000ms);
  s.held.hold(s.at(0ms), two, held_for::chunks, 5'000ms);
  s.held.hold(s.at(0ms), one, held_for::end, 5'000ms);
  s.held.hold(s.at(250ms), one, held_for::chunks, 5'000ms);
  EXPECT_EQ(s.held.streamed(s.at(300ms), one), numbers{1}) << "not who waits for the end";
  EXPECT_EQ(s.held.next_due(), s.at(350ms));
}

TEST(held_calls, one_that_found_nothing_waits_on) {
  script s;
  const auto call = s.held.hold(s.at(0ms), one, held_for::chunks, 1'000ms);
  s.held.streamed(s.at(10ms), one);
  EXPECT_EQ(s.due(100ms), due_list{1});
  s.held.wait_on(call); // another reader was sooner
  EXPECT_EQ(s.held.next_due(), s.at(1'000ms));
  EXPECT_EQ(s.due(1'000ms), due_list{-1});
}

TEST(held_calls, the_next_reader_waits_until_the_receipt_of_the_chunks_is_known) {
  script s;
  s.held.sent(s.at(0ms), one);
  s.held.sent(s.at(20ms), one);
  const auto call = s.held.hold(s.at(50ms), one, held_for::chunks, 5'000ms);
  s.held.hold(s.at(50ms), one, held_for::end, 5'000ms);
  const auto other = s.held.hold(s.at(50ms), two, held_for::chunks, 5'000ms);
  EXPECT_TRUE(s.held.receipt_is_missing(s.at(60ms), call));
  EXPECT_FALSE(s.held.receipt_is_missing(s.at(60ms), other)) << "that is another job";
  EXPECT_EQ(s.held.settled(one), numbers{}) << "there is another";
  EXPECT_EQ(s.held.settled(one), numbers{call});
  EXPECT_EQ(s.held.settled(one), numbers{});
  EXPECT_FALSE(s.held.receipt_is_missing(s.at(70ms), call));
}

TEST(held_calls, a_receipt_that_does_not_come_is_not_waited_for) {
  script s;
  s.held.sent(s.at(0ms), one);
  const auto call = s.held.hold(s.at(50ms), one, held_for::chunks, 5'000ms);
  EXPECT_TRUE(s.held.receipt_is_missing(s.at(50ms), call));
  s.held.wait_for_receipt(call);
  EXPECT_EQ(s.due(1'999ms), due_list{});
  EXPECT_EQ(s.due(2'000ms), due_list{1});
  EXPECT_FALSE(s.held.receipt_is_missing(s.at(2'000ms), call));
}

TEST(held_calls, a_call_that_is_over_may_wait_for_a_receipt_beyond_its_end) {
  script s;
  const auto brief = s.held.hold(s.at(0ms), two, held_for::chunks, 200ms);
  s.held.sent(s.at(0ms), two);
  s.held.wait_for_receipt(brief);
  EXPECT_EQ(s.due(200ms), due_list{-1}) << "its own wait ends first";
  EXPECT_TRUE(s.held.receipt_is_missing(s.at(200ms), brief));
  s.held.wait_for_receipt(brief);
  EXPECT_EQ(s.held.audit(), std::vector<std::string>{});
  EXPECT_EQ(s.due(1'999ms), due_list{});
  EXPECT_EQ(s.due(2'000ms), due_list{-1}) << "the receipt has had its time";
}

TEST(held_calls, the_least_hold_is_not_longer_than_the_wait) {
  script s;
  s.held.hold(s.at(0ms), one, held_for::chunks, 0ms);
  EXPECT_EQ(s.due(0ms), due_list{-1});
  const auto call = s.held.hold(s.at(0ms), one, held_for::chunks, 40ms);
  EXPECT_FALSE(s.held.may_answer(s.at(39ms), call));
  EXPECT_TRUE(s.held.may_answer(s.at(40ms), call));
}

TEST(held_calls, a_wait_is_shortened_and_never_made_longer) {
  script s;
  const auto call = s.held.hold(s.at(0ms), one, held_for::end, 1'000ms);
  s.held.shorten(s.at(800ms), call, 500ms);
  EXPECT_EQ(s.held.next_due(), s.at(1'000ms));
  s.held.shorten(s.at(800ms), call, 50ms);
  EXPECT_EQ(s.due(850ms), due_list{-1});
  s.held.shorten(s.at(850ms), call, 10ms);
  EXPECT_EQ(s.due(10'000ms), due_list{}) << "what is over stays over";
}

TEST(held_calls, a_call_follows_its_job) {
  script s;
  const auto call = s.held.hold(s.at(0ms), one, held_for::end, 1'000ms);
  s.held.rename(call, two);
  EXPECT_EQ(s.held.of(one), numbers{});
  EXPECT_EQ(s.held.of(two), numbers{call});
  EXPECT_EQ(s.held.job(call), two);
  s.held.release(call);
  EXPECT_EQ(s.held.of(two), numbers{});
  EXPECT_EQ(s.held.size(), 0U);
}

/// A client that repeats its call as soon as it is answered, while its job reports every 7 ms.
TEST(held_calls, a_client_without_a_pause_asks_ten_times_a_second) {
  script s;
  std::size_t answers = 0;
  auto call = s.held.hold(s.at(0ms), one, held_for::chunks, 90'000ms);
  const auto answer = [&](moment now) {
    s.held.release(call);
    call = s.held.hold(now, one, held_for::chunks, 90'000ms);
    ++answers;
  };
  for (int ms = 0; ms <= 10'000; ++ms) {
    const auto now = s.at(milliseconds{ms});
    if ((ms % 7 == 0 && !s.held.streamed(now, one).empty()) || !s.held.due(now).empty()) {
      answer(now);
    }
  }
  EXPECT_GE(answers, 90U);
  EXPECT_LE(answers, 100U);
}

TEST(held_calls, hold_what_they_promise_whatever_is_done_with_them) {
  EXPECT_TRUE(property(300, [](const std::vector<std::tuple<unsigned, unsigned, unsigned>>& steps) {
    held_calls held;
    moment now{};
    std::map<held_calls::number, moment> ends;
    for (const auto& [what, which, much] : steps) {
      now += milliseconds{much % 70};
      const auto all = held.all();
      const auto call = all.empty() ? 0 : all[which % all.size()];
      const job_id job{which % 2 == 0 ? "one" : "two"};
      switch (what % 9) {
      case 0: {
        const milliseconds wait{much % 500};
        const auto fresh =
            held.hold(now, job, much % 2 == 0 ? held_for::end : held_for::chunks, wait);
        ends[fresh] = now + wait;
        break;
      }
      case 1:
        for (const auto each : held.streamed(now, job)) {
          RC_ASSERT(held.what(each) == held_for::chunks && held.job(each) == job);
        }
        break;
      case 2: held.release(call); break;
      case 3:
        if (call != 0) {
          held.rename(call, job);
        }
        break;
      case 4:
        if (call != 0) {
          held.wait_on(call);
        }
        break;
      case 5:
        if (call != 0) {
          held.may_answer(now, call);
        }
        break;
      case 6: held.sent(now, job); break;
      case 7: held.settled(job); break;
      case 8:
        if (call != 0 && held.receipt_is_missing(now, call)) {
          held.wait_for_receipt(call);
        }
        break;
      }
      for (const auto& due : held.due(now)) {
        RC_ASSERT(due.over == (ends.at(due.call) <= now));
        if (due.over) {
          held.release(due.call);
        }
      }
      RC_ASSERT(held.audit().empty());
      const auto left = held.all(); // no call is held longer than requested
      RC_ASSERT(std::all_of(left.begin(), left.end(),
                            [&](held_calls::number each) { return ends.at(each) > now; }));
    }
  }));
}

} // namespace
} // namespace tayfa::testing
