#include "runtime/model/small_float.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <vector>

namespace tayfa {
namespace {

template <class Format>
class SmallFloat : public testing::Test {};
using formats = testing::Types<binary16, bfloat16>;
TYPED_TEST_SUITE(SmallFloat, formats);

/// The finite non-negative numbers of the format, in order: bits 0, 1, 2, … up to the infinity.
template <class Format>
const std::vector<double>& ladder() {
  static const std::vector<double> values = [] {
    std::vector<double> all;
    for (std::uint32_t bits = 0; bits < Format::infinity; ++bits) {
      all.push_back(Format::widen(static_cast<std::uint16_t>(bits)));
    }
    return all;
  }();
  return values;
}

/// The nearest number by search, ties to even bits: no shared code with narrow().
template <class Format>
std::uint16_t nearest(double value) {
  const auto& values = ladder<Format>();
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double size = std::abs(value);
  const auto above = static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), size) -
                                              values.begin());
  if (above == 0) {
    return sign;
  }
  const std::size_t below = above - 1;
  // Past the last number the next step would be the infinity's place.
  const double upper =
      above < values.size() ? values[above] : 2 * values[below] - values[below - 1];
  const double down = size - values[below];
  const double up = upper - size;
  const bool rises = up < down || (up == down && above % 2 == 0);
  return static_cast<std::uint16_t>(sign | (rises ? above : below));
}

TYPED_TEST(SmallFloat, EveryNumberWidensAndNarrowsBackToItself) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto narrow = static_cast<std::uint16_t>(bits);
    const double wide = TypeParam::widen(narrow);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(TypeParam::widen(TypeParam::narrow(wide))));
    } else {
      ASSERT_EQ(TypeParam::narrow(wide), narrow) << wide;
    }
  }
}

TYPED_TEST(SmallFloat, TheLadderRises) {
  const auto& values = ladder<TypeParam>();
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  EXPECT_EQ(std::adjacent_find(values.begin(), values.end()), values.end());
}

TYPED_TEST(SmallFloat, MiddlesGoToEvenAndTheirNeighboursToTheirSide) {
  const auto& values = ladder<TypeParam>();
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const double middle = (values[i] + values[i + 1]) / 2;
    ASSERT_EQ(TypeParam::narrow(middle), i % 2 == 0 ? i : i + 1) << middle;
    ASSERT_EQ(TypeParam::narrow(std::nextafter(middle, 0.0)), i) << middle;
    ASSERT_EQ(TypeParam::narrow(std::nextafter(middle, 1e300)), i + 1) << middle;
  }
}

TYPED_TEST(SmallFloat, RandomNumbersGoToTheNearest) {
  rc::check([] {
    const double mantissa = *rc::gen::arbitrary<double>();
    const int exponent = *rc::gen::inRange(-160, 160);
    const double value = std::ldexp(mantissa, exponent);
    if (std::isfinite(value)) {
      RC_ASSERT(TypeParam::narrow(value) == nearest<TypeParam>(value));
    }
  });
}

TEST(SmallFloat, KnownNumbers) {
  EXPECT_EQ(binary16::narrow(1.0), 0x3c00);
  EXPECT_EQ(binary16::narrow(-2.0), 0xc000);
  EXPECT_EQ(binary16::narrow(65504.0), 0x7bff);
  EXPECT_EQ(binary16::narrow(65519.999), 0x7bff);
  EXPECT_EQ(binary16::narrow(65520.0), 0x7c00) << "the first that is nearer to infinity";
  EXPECT_EQ(binary16::narrow(0x1p-24), 0x0001) << "the smallest";
  EXPECT_EQ(binary16::narrow(0x1p-25), 0x0000) << "half of it, to even";
  EXPECT_EQ(binary16::narrow(-0.0), 0x8000);
  // Via float this would round twice: 1 + 2^-11 + 2^-40 becomes the middle first, and then 1.
  EXPECT_EQ(binary16::narrow(1.0 + 0x1p-11 + 0x1p-40), 0x3c01);
  EXPECT_EQ(bfloat16::narrow(1.0), 0x3f80);
  EXPECT_EQ(bfloat16::narrow(3.38953139e38), 0x7f7f);
  EXPECT_EQ(bfloat16::narrow(std::numeric_limits<double>::max()), 0x7f80);
  EXPECT_EQ(bfloat16::narrow(-std::numeric_limits<double>::infinity()), 0xff80);
}

} // namespace
} // namespace tayfa
