#include "runtime/core/workers/arrival_rate.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace tayfa {
namespace {

moment at(double ms) {
  return moment{std::chrono::nanoseconds{static_cast<std::int64_t>(ms * 1e6)}};
}

TEST(arrival_rate, nothing_came) {
  EXPECT_DOUBLE_EQ(arrival_rate{}.per_ms(at(5)), 0);
}

TEST(arrival_rate, is_right_after_a_short_and_a_long_time) {
  arrival_rate rate;
  for (int i = 0; i < 100'000; ++i) {
    rate.arrived(at(i * 20.0));
    if (i > 200) {
      ASSERT_NEAR(rate.per_ms(at(i * 20.0)), 0.05, 0.005) << i;
    }
  }
}

TEST(arrival_rate, one_arrival_is_no_flood) {
  arrival_rate rate;
  rate.arrived(at(100));
  EXPECT_LE(rate.per_ms(at(100)), 0.0011);
}

TEST(arrival_rate, follows_a_change_and_falls_to_nothing) {
  arrival_rate rate;
  double now = 0;
  for (; now < 600'000; now += 100) {
    rate.arrived(at(now));
  }
  for (; now < 900'000; now += 10) {
    rate.arrived(at(now));
  }
  EXPECT_NEAR(rate.per_ms(at(now)), 0.1, 0.01);
  EXPECT_LT(rate.per_ms(at(now + 300'000)), 0.001);
  EXPECT_GE(rate.per_ms(at(now + 1e12)), 0);
}

TEST(arrival_rate, a_clock_that_stands_or_goes_back_breaks_nothing) {
  arrival_rate rate;
  rate.arrived(at(1'000), 5);
  rate.arrived(at(500), 5);
  EXPECT_GT(rate.per_ms(at(400)), 0);
  EXPECT_LE(rate.per_ms(at(400)), 0.0101);
}

} // namespace
} // namespace tayfa
