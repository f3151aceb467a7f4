// Descriptors: what strangers can take never reaches what the pod needs.
#include "runtime/machine/shares.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::test {
namespace {

using testing::HasSubstr;

TEST(share_descriptors, with_room_every_part_gets_what_it_asked_for) {
  const auto shares = share_descriptors({.limit = 65'536, .connections = 1'024, .slots = 8});
  ASSERT_TRUE(shares.has_value());
  EXPECT_EQ(shares->connections, 1'024U);
  EXPECT_EQ(shares->health, 64U);
  EXPECT_EQ(shares->rejected, 64U);
  EXPECT_EQ(shares->calls, 32U);
}

TEST(share_descriptors, a_limit_that_is_too_small_for_the_pod_is_named) {
  const auto shares = share_descriptors({.limit = 64});
  ASSERT_FALSE(shares.has_value());
  EXPECT_EQ(shares.error().code, errc::unfit);
  EXPECT_THAT(shares.error().text, HasSubstr("the limit is 64"));
  EXPECT_THAT(shares.error().text, HasSubstr("ulimit -n"));
}

TEST(share_descriptors, whatever_is_asked_for_the_pod_keeps_its_own) {
  for (std::uint64_t limit = 0; limit < 6'000; limit += 7) {
    for (const std::size_t slots : {0UL, 1UL, 64UL, 1'024UL}) {
      for (const std::size_t asked : {1UL, 1'024UL, 65'536UL}) {
        for (const std::size_t platform : {0UL, 40UL}) {
          const auto shares = share_descriptors({limit, asked, slots, 32, platform});
          if (!shares) {
            EXPECT_EQ(shares.error().code, errc::unfit);
            EXPECT_LT(limit, 72 + slots * 4 + platform + 32);
            continue;
          }
          EXPECT_GE(shares->connections, std::min<std::size_t>(asked, 8));
          EXPECT_LE(shares->connections, asked);
          EXPECT_GE(shares->health, 4U);
          EXPECT_GE(shares->calls, 4U);
          const auto strangers = shares->connections + shares->rejected + shares->health;
          const auto own = 72 + slots * 4 + platform + shares->calls * 3;
          EXPECT_LE(strangers + own, limit) << slots << " slots, " << asked << " asked";
        }
      }
    }
  }
}

} // namespace
} // namespace tayfa::test
