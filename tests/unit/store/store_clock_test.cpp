// Moments that mean the same point in time in the next process.
#include "runtime/store/store_clock.hpp"

#include "tests/unit/store/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

/// A process that committed once and ended; then `later` is the time of the next one.
struct two_lives {
  manual_time time;
  store_clock first{{}, time, "boot-1"};
  store_clock::saved saved = first.save(time);

  /// Time measured by the store between the commit and the start of the next process.
  std::int64_t gap(const std::string& boot) const {
    const store_clock second{saved, time, boot};
    return second.to_store(time.now()) - saved.clock_ms;
  }
};

TEST(store_clock, the_same_boot_keeps_moments_whatever_the_wall_clock_does) {
  two_lives lives;
  const auto deadline = lives.time.now() + milliseconds{90'000};
  const auto stored = lives.first.to_store(deadline);
  lives.time.mono += hours{50};
  lives.time.wall_now -= hours{24 * 365};
  const store_clock second{lives.saved, lives.time, "boot-1"};
  EXPECT_EQ(second.from_store(stored), deadline);
}

TEST(store_clock, another_boot_counts_the_time_of_the_wall_clock) {
  two_lives lives;
  lives.time.mono = moment{milliseconds{5}}; // it begins anew
  lives.time.wall_now += hours{2};
  EXPECT_EQ(lives.gap("boot-2"), milliseconds{hours{2}}.count());
  const store_clock second{lives.saved, lives.time, "boot-2"};
  const auto stored = lives.saved.clock_ms + 60'000;
  EXPECT_EQ(second.from_store(stored), lives.time.now() - hours{2} + milliseconds{60'000});
}

TEST(store_clock, a_wall_clock_that_jumped_back_never_turns_time_back) {
  two_lives lives;
  lives.time.wall_now = {};
  EXPECT_EQ(lives.gap("boot-2"), 0);
}

TEST(store_clock, a_wall_clock_that_jumped_ahead_counts_as_a_day) {
  two_lives lives;
  lives.time.wall_now += hours{24 * 365 * 10};
  EXPECT_EQ(lives.gap("boot-2"), store_clock::gap_max.count());
}

TEST(store_clock, an_unknown_boot_is_no_boot_of_before) {
  manual_time time;
  const store_clock first{{}, time, ""};
  const auto saved = first.save(time);
  time.mono = moment{};
  const store_clock second{saved, time, ""};
  EXPECT_EQ(second.to_store(time.now()), saved.clock_ms);
}

TEST(store_clock, the_same_boot_with_a_clock_behind_counts_as_another) {
  two_lives lives;
  lives.time.mono = moment{}; // a namespace with a clock of its own
  lives.time.wall_now += milliseconds{10};
  EXPECT_EQ(lives.gap("boot-1"), 10);
}

TEST(store_clock, never_stays_never_and_nothing_overflows) {
  two_lives lives;
  const auto& clock = lives.first;
  EXPECT_EQ(clock.from_store(clock.to_store(moment::max())), moment::max());
  EXPECT_EQ(clock.from_store(clock.to_store(moment::min())), moment::min());
  const store_clock::saved wild{.boot = "b",
                                .offset_ms = std::numeric_limits<std::int64_t>::max(),
                                .clock_ms = std::numeric_limits<std::int64_t>::min(),
                                .wall_ms = std::numeric_limits<std::int64_t>::min()};
  const store_clock second{wild, lives.time, "b"};
  EXPECT_EQ(second.from_store(std::numeric_limits<std::int64_t>::max()), moment::max());
  const store_clock third{wild, lives.time, "c"};
  EXPECT_LE(third.from_store(0), moment::max());
}

TEST(store_clock, moments_are_rounded_down_also_before_the_boot) {
  two_lives lives;
  const auto& clock = lives.first;
  const auto at = [&](std::int64_t ns) {
    return clock.from_store(clock.to_store(moment{std::chrono::nanoseconds{ns}}))
        .time_since_epoch()
        .count();
  };
  EXPECT_EQ(at(1'999'999), 1'000'000);
  EXPECT_EQ(at(-1), -1'000'000);
}

TEST(store_clock, this_machine_has_a_boot) {
  EXPECT_EQ(boot_id_here(), boot_id_here());
}

} // namespace
} // namespace tayfa::store::testing
