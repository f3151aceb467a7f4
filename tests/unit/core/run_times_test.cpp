#include "runtime/core/workers/run_times.hpp"

#include "runtime/base/random.hpp"
#include "tests/support/property.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace tayfa {
namespace {

const work_kind on_fast{"sd15", "512x512", "H200"};
const work_kind on_slow{"sd15", "512x512", "T4"};

void repeat(run_times& times, const work_kind& kind, double ms, int runs = 40,
            std::uint32_t members = 1) {
  for (int i = 0; i < runs; ++i) {
    times.ran(kind, members, ms);
  }
}

TEST(run_times, knows_nothing_at_first) {
  const run_times times;
  const auto guess = times.expect(on_fast);
  EXPECT_DOUBLE_EQ(guess.ms, run_times::default_ms);
  EXPECT_EQ(guess.seen, 0U);
  EXPECT_GT(guess.deviation, 0);
}

TEST(run_times, the_first_runs_weigh_alike_and_later_ones_an_eighth) {
  run_times times;
  times.ran(on_fast, 1, 800);
  EXPECT_DOUBLE_EQ(times.expect(on_fast).ms, 800);
  EXPECT_DOUBLE_EQ(times.expect(on_fast).deviation, 400);
  times.ran(on_fast, 1, 1'600);
  EXPECT_DOUBLE_EQ(times.expect(on_fast).ms, 1'200);
  EXPECT_DOUBLE_EQ(times.expect(on_fast).deviation, 600);
  EXPECT_EQ(times.expect(on_fast).seen, 2U);
  repeat(times, on_fast, 1'200, 100);
  times.ran(on_fast, 1, 2'000);
  EXPECT_NEAR(times.expect(on_fast).ms, 1'300, 1e-6);
  EXPECT_NEAR(times.expect(on_fast).deviation, 100, 1);
}

TEST(run_times, follows_a_change_within_twenty_runs) {
  run_times times;
  repeat(times, on_fast, 1'000);
  repeat(times, on_fast, 200, 20);
  EXPECT_LT(times.expect(on_fast).ms, 200 * 1.3);
}

TEST(run_times, stays_near_the_mean_of_noise) {
  seeded_random random(7);
  run_times times;
  for (int i = 0; i < 2'000; ++i) {
    times.ran(on_fast, 1, 500 + static_cast<double>(random.next() % 1'000));
    if (i > 100) {
      ASSERT_NEAR(times.expect(on_fast).ms, 1'000, 450);
    }
  }
  EXPECT_NEAR(times.expect(on_fast).deviation, 250, 150);
}

TEST(run_times, more_members_lie_on_the_line_through_what_was_seen) {
  run_times times;
  repeat(times, on_fast, 100, 10, 1);
  EXPECT_DOUBLE_EQ(times.expect(on_fast, 2).ms, 150); // a fixed part as long as one member's
  repeat(times, on_fast, 240, 10, 8);
  EXPECT_DOUBLE_EQ(times.expect(on_fast, 1).ms, 100);
  EXPECT_DOUBLE_EQ(times.expect(on_fast, 8).ms, 240);
  EXPECT_DOUBLE_EQ(times.expect(on_fast, 4).ms, 160);
  EXPECT_DOUBLE_EQ(times.expect(on_fast, 16).ms, 400);
}

TEST(run_times, fewer_members_than_were_seen_take_less_but_never_nothing) {
  run_times times;
  repeat(times, on_fast, 400, 10, 4);
  repeat(times, on_fast, 900, 10, 8);
  const double one = times.expect(on_fast, 1).ms;
  EXPECT_GE(one, 100);
  EXPECT_LT(one, 400);
}

TEST(run_times, an_unseen_device_is_scaled_by_how_it_compares_on_other_work) {
  run_times times;
  const work_kind other_fast{"flux", "1024x1024", "H200"};
  const work_kind other_slow{"flux", "1024x1024", "T4"};
  repeat(times, other_fast, 1'000);
  repeat(times, other_slow, 3'000);
  repeat(times, on_fast, 400);
  EXPECT_NEAR(times.expect(on_slow).ms, 1'200, 1);
  EXPECT_EQ(times.expect(on_slow).seen, 0U);
  // The reverse, for a model that only the slow device ran.
  const work_kind third_slow{"sdxl", "", "T4"};
  repeat(times, third_slow, 900);
  EXPECT_NEAR(times.expect({"sdxl", "", "H200"}).ms, 300, 1);
}

TEST(run_times, of_several_devices_the_best_comparable_one_is_asked) {
  run_times times;
  repeat(times, {"flux", "", "H200"}, 100);
  repeat(times, {"flux", "", "T4"}, 300);
  repeat(times, {"sd15", "", "A unknown"}, 5'000); // never compared with a T4
  repeat(times, {"sd15", "", "H200"}, 50);
  EXPECT_NEAR(times.expect({"sd15", "", "T4"}).ms, 150, 1);
}

TEST(run_times, an_unseen_device_without_comparison_is_taken_to_be_like_the_others) {
  run_times times;
  repeat(times, on_fast, 400);
  EXPECT_DOUBLE_EQ(times.expect(on_slow).ms, 400);
}

TEST(run_times, an_unseen_shape_takes_as_long_as_the_models_others) {
  run_times times;
  repeat(times, {"sd15", "512x512", "T4"}, 400);
  repeat(times, {"sd15", "768x768", "T4"}, 800);
  repeat(times, {"sd15", "768x768", "H200"}, 80);
  EXPECT_DOUBLE_EQ(times.expect({"sd15", "640x640", "T4"}).ms, 600);
  EXPECT_NEAR(times.expect({"sd15", "640x640", "A100"}).ms, (400 + 800 + 80) / 3.0, 1e-6);
  EXPECT_DOUBLE_EQ(times.expect({"other", "640x640", "T4"}).ms, run_times::default_ms);
}

TEST(run_times, what_remains_of_a_run) {
  const run_estimate steady{1'000, 0, 9};
  EXPECT_DOUBLE_EQ(steady.remaining_ms(0), 1'000);
  EXPECT_DOUBLE_EQ(steady.remaining_ms(400), 600);
  EXPECT_DOUBLE_EQ(steady.remaining_ms(1'400), 0);
  const run_estimate varied{1'000, 500, 9};
  EXPECT_DOUBLE_EQ(varied.remaining_ms(0), 1'000);
  EXPECT_DOUBLE_EQ(varied.remaining_ms(1'000), 500);
  EXPECT_DOUBLE_EQ(varied.remaining_ms(4'000), 2'000);
  EXPECT_DOUBLE_EQ(run_estimate{}.remaining_ms(5), 0);
}

TEST(run_times, nonsense_teaches_nothing) {
  run_times times;
  times.ran(on_fast, 1, std::numeric_limits<double>::quiet_NaN());
  times.ran(on_fast, 1, std::numeric_limits<double>::infinity());
  times.ran(on_fast, 1, -1);
  times.ran(on_fast, 0, 100);
  times.loaded("sd15", "T4", -1);
  EXPECT_EQ(times.expect(on_fast).seen, 0U);
  EXPECT_DOUBLE_EQ(times.expect_load("sd15", "T4", 0), 500);
  times.ran(on_fast, UINT32_MAX, 0);
  EXPECT_TRUE(std::isfinite(times.expect(on_fast, UINT32_MAX).ms));
  EXPECT_TRUE(std::isfinite(times.expect(on_fast, 0).ms));
}

TEST(run_times, loads) {
  run_times times;
  EXPECT_DOUBLE_EQ(times.expect_load("sd15", "T4", 4'000'000'000), 4'500);
  times.loaded("sd15", "T4", 9'000);
  EXPECT_DOUBLE_EQ(times.expect_load("sd15", "T4", 4'000'000'000), 9'000);
  EXPECT_DOUBLE_EQ(times.expect_load("sd15", "H200", 4'000'000'000), 9'000);
  EXPECT_DOUBLE_EQ(times.expect_load("sd", "H200", 0), 500);
  times.loaded("sd15", "T4", 1'000);
  EXPECT_DOUBLE_EQ(times.expect_load("sd15", "T4", 0), 8'000);
}

TEST(run_times, the_kinds_not_used_for_longest_are_forgotten) {
  run_times times;
  const auto shape = [](std::size_t i) { return work_kind{"m", std::to_string(i), "d"}; };
  const auto load_model = [](std::size_t i) { return "m" + std::to_string(i); };
  for (std::size_t i = 0; i < run_times::kinds_max; ++i) {
    times.ran(shape(i), 1, 10);
    times.loaded(load_model(i), "d", 10);
  }
  times.ran(shape(0), 1, 10); // used again: the second is now the oldest
  times.loaded(load_model(0), "d", 10);
  times.ran({"new", "", "d"}, 1, 10);
  times.loaded("new", "d", 10);
  EXPECT_EQ(times.expect(shape(0)).seen, 2U);
  EXPECT_EQ(times.expect(shape(1)).seen, 0U);
  EXPECT_EQ(times.expect(shape(2)).seen, 1U);
  EXPECT_DOUBLE_EQ(times.expect_load(load_model(0), "d", 0), 10);
  EXPECT_DOUBLE_EQ(times.expect_load(load_model(1), "d", 0), 500);
  EXPECT_DOUBLE_EQ(times.expect_load(load_model(2), "d", 0), 10);
}

TEST(run_times, an_expectation_is_never_outside_of_what_was_seen_for_that_many_members) {
  EXPECT_TRUE(tayfa::testing::property(200, [](const std::vector<std::uint16_t>& seen) {
    RC_PRE(!seen.empty());
    run_times times;
    double least = 1e9;
    double most = 0;
    for (const auto ms : seen) {
      times.ran(on_fast, 3, ms);
      least = std::min<double>(least, ms);
      most = std::max<double>(most, ms);
    }
    const auto known = times.expect(on_fast, 3);
    RC_ASSERT(known.ms >= least - 1e-6 && known.ms <= most + 1e-6);
    RC_ASSERT(known.seen == seen.size());
    double before = 0;
    for (std::uint32_t n = 1; n <= 64; ++n) {
      const double ms = times.expect(on_fast, n).ms;
      RC_ASSERT(ms >= before);
      before = ms;
    }
  }));
}

} // namespace
} // namespace tayfa
