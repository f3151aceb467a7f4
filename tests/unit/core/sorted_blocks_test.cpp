// A sorted set in blocks against std::set, under the ways in which the job table uses it.
#include "runtime/core/jobs/sorted_blocks.hpp"

#include "runtime/base/random.hpp"

#include <gtest/gtest.h>
#include <set>
#include <utility>

namespace tayfa {
namespace {

template <class T>
void expect_same(const sorted_blocks<T>& real, const std::set<T>& naive, const T& near) {
  ASSERT_EQ(real.size(), naive.size());
  ASSERT_EQ(real.empty(), naive.empty());
  ASSERT_EQ(real.contains(near), naive.contains(near));
  const auto at = naive.lower_bound(near);
  ASSERT_EQ(real.below(near), at == naive.begin() ? std::nullopt : std::optional{*std::prev(at)});
  const auto beyond = naive.upper_bound(near);
  ASSERT_EQ(real.above(near), beyond == naive.end() ? std::nullopt : std::optional{*beyond});
  if (!naive.empty()) {
    ASSERT_EQ(real.first(), *naive.begin());
    ASSERT_EQ(real.last(), *naive.rbegin());
  }
}

TEST(sorted_blocks, is_a_set_under_random_changes) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    seeded_random random{seed};
    sorted_blocks<std::uint64_t> real;
    std::set<std::uint64_t> naive;
    const std::uint64_t range = seed % 2 == 0 ? 500 : 100'000;
    for (int step = 0; step < 20'000 && !::testing::Test::HasFatalFailure(); ++step) {
      const auto member = random.next() % range;
      const bool grows = step / 4'000 % 2 == 0;
      if (random.next() % 4 == (grows ? 0U : 1U) || (!grows && random.next() % 2 == 0)) {
        ASSERT_EQ(real.erase(member), naive.erase(member) == 1);
      } else {
        ASSERT_EQ(real.insert(member), naive.insert(member).second);
      }
      expect_same(real, naive, random.next() % range);
    }
  }
}

TEST(sorted_blocks, takes_ascending_members_and_gives_them_up_from_either_end) {
  sorted_blocks<std::pair<int, int>> real;
  std::set<std::pair<int, int>> naive;
  for (int i = 0; i < 3'000; ++i) {
    real.insert({i / 3, i % 3});
    naive.insert({i / 3, i % 3});
  }
  for (int i = 0; i < 3'000; ++i) {
    expect_same(real, naive, {i / 3, 1});
    const auto member = i % 2 == 0 ? real.first() : real.last();
    EXPECT_TRUE(real.erase(member));
    naive.erase(member);
    if (i % 7 == 0) { // before and after all there is
      real.insert({-i, 0});
      naive.insert({-i, 0});
    }
    ASSERT_EQ(real.size(), naive.size());
  }
}

} // namespace
} // namespace tayfa
