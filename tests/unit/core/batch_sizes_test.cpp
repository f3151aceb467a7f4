#include "runtime/core/workers/batch_sizes.hpp"

#include "runtime/base/random.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace tayfa {
namespace {

const work_kind kind{"sd15", "512x512", "T4"};
constexpr std::uint32_t engine_max = 64;

using engine_model = std::function<double(std::uint32_t)>;

/// Full batches run after one another; what each had is answered at the end.
std::uint32_t settle(batch_sizes& sizes, const engine_model& ms_of, int runs = 60) {
  for (int i = 0; i < runs; ++i) {
    const auto n = sizes.most(kind, engine_max);
    sizes.ran(kind, n, ms_of(n));
  }
  return sizes.most(kind, engine_max);
}

double saturating(std::uint32_t n) {
  return std::max(100.0, 25.0 * n); // up to 4 members cost nothing
}
double never_gaining(std::uint32_t n) {
  return 100.0 * n;
}
double always_gaining(std::uint32_t n) {
  return 100.0 + n;
}

TEST(batch_sizes, begins_with_one) {
  const batch_sizes sizes;
  EXPECT_EQ(sizes.most(kind, engine_max), 1U);
  EXPECT_EQ(sizes.most(kind, 0), 1U);
}

TEST(batch_sizes, finds_where_throughput_saturates) {
  batch_sizes sizes;
  EXPECT_EQ(settle(sizes, saturating), 4U);
}

TEST(batch_sizes, stays_at_one_when_nothing_is_gained) {
  batch_sizes sizes;
  EXPECT_EQ(settle(sizes, never_gaining), 1U);
}

TEST(batch_sizes, grows_to_what_the_engine_takes) {
  batch_sizes sizes;
  EXPECT_EQ(settle(sizes, always_gaining), engine_max);
  EXPECT_EQ(settle(sizes, always_gaining, 300), engine_max);
}

TEST(batch_sizes, spends_little_on_sizes_that_gain_nothing) {
  batch_sizes sizes;
  settle(sizes, saturating, 60);
  int tried = 0;
  for (int i = 0; i < 680; ++i) {
    const auto n = sizes.most(kind, engine_max);
    tried += n > 4 ? 1 : 0;
    sizes.ran(kind, n, saturating(n));
  }
  EXPECT_GT(tried, 0); // load changes, so it looks again
  EXPECT_LE(tried, 680 * 4 / 64);
}

TEST(batch_sizes, finds_a_larger_size_when_the_engine_gets_better) {
  batch_sizes sizes;
  settle(sizes, saturating);
  EXPECT_GE(settle(sizes, always_gaining, 400), 32U);
}

TEST(batch_sizes, finds_a_smaller_size_when_large_ones_get_worse) {
  batch_sizes sizes;
  ASSERT_EQ(settle(sizes, saturating), 4U);
  // Now more than two members at a time thrash.
  EXPECT_EQ(settle(
                sizes, [](std::uint32_t n) { return n <= 2 ? 100.0 : 100.0 * n; }, 200),
            2U);
}

TEST(batch_sizes, settles_in_noise) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    seeded_random random(seed);
    batch_sizes sizes;
    double ms = 0;
    double members = 0;
    for (int i = 0; i < 1'000; ++i) {
      const auto n = sizes.most(kind, engine_max);
      const double noise = 0.8 + 0.4 * static_cast<double>(random.next() % 1'000) / 1'000;
      sizes.ran(kind, n, saturating(n) * noise);
      ms += saturating(n) * noise;
      members += n;
    }
    EXPECT_LT(ms / members, 25 * 1.25) << "seed " << seed; // the best there is: 25
  }
}

TEST(batch_sizes, what_nothing_fills_is_given_up_and_tried_again_later) {
  batch_sizes sizes;
  // Never more than three jobs are queued.
  std::uint32_t largest = 0;
  for (int i = 0; i < 500; ++i) {
    const auto n = sizes.most(kind, engine_max);
    largest = std::max(largest, n);
    sizes.ran(kind, std::min(n, 3U), always_gaining(std::min(n, 3U)));
  }
  EXPECT_LE(largest, 8U);
  EXPECT_GE(sizes.most(kind, engine_max), 4U);
}

TEST(batch_sizes, never_more_again_than_memory_allowed) {
  batch_sizes sizes;
  constexpr std::uint32_t fits = 11;
  int failures = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto n = sizes.most(kind, engine_max);
    if (n > fits) {
      sizes.out_of_memory(kind, n);
      ++failures;
    } else {
      sizes.ran(kind, n, always_gaining(n));
    }
  }
  EXPECT_EQ(failures, 1); // 16 failed, so 12 is the most, and its power of two is 8
  EXPECT_EQ(sizes.most(kind, engine_max), 8U);
}

TEST(batch_sizes, a_new_engine_is_tried_again_but_ever_more_rarely_when_it_fails_too) {
  batch_sizes sizes;
  constexpr std::uint32_t fits = 11;
  int failures = 0;
  for (int i = 0; i < 3'000; ++i) {
    const auto n = sizes.most(kind, engine_max);
    if (n > fits) {
      sizes.out_of_memory(kind, n);
      sizes.engine_new(kind.device);
      ++failures;
    } else {
      sizes.ran(kind, n, always_gaining(n));
    }
  }
  EXPECT_GE(failures, 3);
  EXPECT_LE(failures, 6); // after 128, 256, 512, 1024 ... runs
  settle(sizes, always_gaining, 70'000);
  EXPECT_EQ(sizes.most(kind, engine_max), engine_max); // the memory is there now
}

TEST(batch_sizes, a_new_engine_elsewhere_changes_nothing) {
  batch_sizes sizes;
  sizes.out_of_memory(kind, 2);
  sizes.engine_new("another");
  EXPECT_EQ(settle(sizes, always_gaining, 1'000), 1U);
}

TEST(batch_sizes, configured_means_no_learning_but_memory_still_counts) {
  batch_sizes sizes(32);
  EXPECT_EQ(sizes.most(kind, engine_max), 32U);
  EXPECT_EQ(sizes.most(kind, 8), 8U);
  EXPECT_EQ(settle(sizes, never_gaining), 32U);
  sizes.out_of_memory(kind, 32);
  EXPECT_EQ(sizes.most(kind, engine_max), 24U);
  sizes.out_of_memory(kind, 32); // an outdated report
  EXPECT_EQ(sizes.most(kind, engine_max), 24U);
  for (int i = 0; i < 40; ++i) {
    sizes.out_of_memory(kind, sizes.most(kind, engine_max));
  }
  EXPECT_EQ(sizes.most(kind, engine_max), 1U);
}

TEST(batch_sizes, kinds_are_apart_and_bounded) {
  batch_sizes sizes;
  ASSERT_EQ(settle(sizes, saturating), 4U);
  const auto other = [](std::size_t i) { return work_kind{"m", std::to_string(i), "d"}; };
  EXPECT_EQ(sizes.most(other(0), engine_max), 1U);
  for (std::size_t i = 0; i + 1 < batch_sizes::kinds_max; ++i) {
    sizes.ran(other(i), 1, 10);
  }
  EXPECT_EQ(sizes.most(kind, engine_max), 4U);
  sizes.ran(other(batch_sizes::kinds_max), 1, 10);
  EXPECT_EQ(sizes.most(kind, engine_max), 1U); // forgotten: it was not used for longest
}

TEST(batch_sizes, always_within_the_bounds_after_any_reports) {
  EXPECT_TRUE(tayfa::testing::property(300, [](const std::vector<std::uint32_t>& reports) {
    batch_sizes sizes;
    for (const auto word : reports) {
      const std::uint32_t members = word >> (word % 31);
      switch (word % 5) {
      case 0: sizes.out_of_memory(kind, members); break;
      case 1: sizes.ran(kind, members, std::numeric_limits<double>::quiet_NaN()); break;
      case 2: sizes.engine_new(kind.device); break;
      default:
        for (int i = 0; i < 5; ++i) {
          sizes.ran(kind, sizes.most(kind, 1U << 20), static_cast<double>(members));
        }
      }
      const auto most = sizes.most(kind, engine_max);
      RC_ASSERT(most >= 1 && most <= engine_max);
    }
  }));
}

} // namespace
} // namespace tayfa
