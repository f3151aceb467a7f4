// A transfer may last as long as it goes on: what that means, span by span.
#include "runtime/net/transfer_pace.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;

constexpr transfer_pace::limits limits{10s, 100}; // 1,000 bytes in each span

/// A transfer of which something moves every `pause`, judged whenever it is due; the moment at
/// which it was too slow.
std::optional<std::chrono::nanoseconds> cut_at(std::chrono::nanoseconds pause, std::uint64_t bytes,
                                               std::chrono::nanoseconds longest) {
  transfer_pace pace;
  const moment begin{};
  pace.begin(limits, begin);
  moment next = begin + pause;
  for (moment now = begin; now - begin < longest;) {
    now = std::min(next, pace.due());
    if (now == pace.due() && !pace.keeps_up(now)) {
      return now - begin;
    }
    if (now == next) {
      pace.moved(bytes, now);
      next += pause;
    }
  }
  return std::nullopt;
}

TEST(transfer_pace, steady_ones_last_as_long_as_they_need) {
  EXPECT_EQ(cut_at(100ms, 11, 1h), std::nullopt);
  EXPECT_EQ(cut_at(9s, 1'100, 1h), std::nullopt);
  EXPECT_EQ(cut_at(100ms, 1'000'000, 24h), std::nullopt);
}

TEST(transfer_pace, a_byte_now_and_then_gains_one_span) {
  EXPECT_EQ(cut_at(1s, 1, 1h), 10s);
  EXPECT_EQ(cut_at(9'999ms, 1, 1h), 10s);
  EXPECT_EQ(cut_at(1s, 99, 1h), 10s);
  EXPECT_EQ(cut_at(1s, 112, 1h), std::nullopt);
}

TEST(transfer_pace, a_transfer_that_stops_is_cut_after_the_idle_time) {
  EXPECT_EQ(cut_at(2h, 1, 1h), 10s);
  transfer_pace pace;
  pace.begin(limits, moment{});
  pace.moved(1'000'000, moment{9s});
  EXPECT_EQ(pace.due(), moment{10s});
  EXPECT_TRUE(pace.keeps_up(moment{10s}));
  EXPECT_EQ(pace.due(), moment{19s});
  EXPECT_TRUE(pace.keeps_up(moment{18'999ms}));
  EXPECT_FALSE(pace.keeps_up(moment{19s}));
}

TEST(transfer_pace, much_at_once_does_not_pay_for_later) {
  transfer_pace pace;
  pace.begin(limits, moment{});
  pace.moved(1'000'000, moment{1s});
  EXPECT_TRUE(pace.keeps_up(moment{10s}));
  pace.moved(1, moment{10s});
  pace.moved(1, moment{15s});
  EXPECT_FALSE(pace.keeps_up(moment{20s}));
}

TEST(transfer_pace, what_came_late_counts_when_it_is_judged_late) {
  transfer_pace pace;
  pace.begin(limits, moment{});
  pace.moved(5'000, moment{60s}); // it had come long before; the pod was away
  EXPECT_TRUE(pace.keeps_up(moment{60s}));
  EXPECT_EQ(pace.due(), moment{70s});
}

TEST(transfer_pace, begins_anew_with_each_part) {
  transfer_pace pace;
  pace.begin(limits, moment{});
  pace.moved(1'000, moment{9s});
  pace.begin(limits, moment{9s}); // sent; the answer is to come
  EXPECT_EQ(pace.due(), moment{19s});
  EXPECT_TRUE(pace.keeps_up(moment{18s}));
  EXPECT_FALSE(pace.keeps_up(moment{19s}));
}

TEST(transfer_pace, tells_the_slow_ones_when_others_wait) {
  transfer_pace pace;
  pace.begin(limits, moment{});
  EXPECT_FALSE(pace.slower_than(1'000, moment{4'999ms}, 5s)) << "no pace yet";
  EXPECT_TRUE(pace.slower_than(1'000, moment{5s}, 5s));
  pace.moved(5'000, moment{5s});
  EXPECT_FALSE(pace.slower_than(1'000, moment{5s}, 5s));
  EXPECT_TRUE(pace.slower_than(1'000, moment{6s}, 5s));
  ASSERT_TRUE(pace.keeps_up(moment{10s}));
  pace.moved(15'000, moment{15s});
  EXPECT_FALSE(pace.slower_than(1'000, moment{19s}, 5s)) << "the span before counts";
  EXPECT_TRUE(pace.slower_than(1'000, moment{21s}, 5s));
}

} // namespace
} // namespace tayfa
