#include "runtime/model/exact_json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tayfa {
namespace {

result<boost::json::value> parse(std::string_view text, json_limits limits = {}) {
  return parse_json(text, limits, errc::bad_input);
}

TEST(ExactJson, ReadsEveryKindOfValue) {
  const auto value =
      parse(R"( {"a":[1,-2,18446744073709551615,0.5,1e3],"b":{"":null},"c":"ü\n"} )");
  ASSERT_TRUE(value) << value.error().str();
  const auto& a = value->at("a").as_array();
  EXPECT_EQ(a[0].as_int64(), 1);
  EXPECT_EQ(a[1].as_int64(), -2);
  EXPECT_EQ(a[2].as_uint64(), 18446744073709551615u);
  EXPECT_EQ(a[3].as_double(), 0.5);
  EXPECT_EQ(a[4].as_double(), 1000.0);
  EXPECT_TRUE(value->at("b").at("").is_null());
  EXPECT_EQ(value->at("c").as_string(), "\xc3\xbc\n");
}

TEST(ExactJson, RefusesWithTheGivenCode) {
  for (const char* wrong : {"",
                            " ",
                            "{",
                            "[1,]",
                            "{\"a\":1,}",
                            "nul",
                            "NaN",
                            "Infinity",
                            "01",
                            "1.",
                            "+1",
                            "'a'",
                            "1 2",
                            "[1]x",
                            "\"\x01\"",
                            "\"\xff\"",
                            "{\"a\":1,\"a\":2}",
                            "{\"x\":{\"a\":1,\"b\":2,\"\\u0061\":3}}",
                            "1e999",
                            "-1e999",
                            "// no\n1"}) {
    const auto value = parse(wrong);
    ASSERT_FALSE(value) << wrong;
    EXPECT_EQ(value.error().code, errc::bad_input);
  }
}

TEST(ExactJson, TheSameKeyInDifferentObjectsIsFine) {
  EXPECT_TRUE(parse(R"([{"a":1},{"a":{"a":{"a":1}}}])"));
}

TEST(ExactJson, TheSmallestNumbersBecomeZero) {
  EXPECT_EQ(parse("1e-999")->as_double(), 0.0);
  EXPECT_TRUE(std::signbit(parse("-1e-999")->as_double()));
}

TEST(ExactJson, DepthAndSizeAreBounded) {
  const std::string deep(65, '[');
  EXPECT_FALSE(parse(deep + std::string(65, ']')));
  EXPECT_TRUE(parse(deep.substr(1) + std::string(64, ']')));
  EXPECT_FALSE(parse("[1,2,3]", {6, 64}));
  EXPECT_TRUE(parse("[1,2,3]", {7, 64}));
}

RC_GTEST_PROP(ExactJson, EveryDoubleComesBackExactly, (std::uint64_t bits)) {
  const auto number = std::bit_cast<double>(bits);
  RC_PRE(std::isfinite(number));
  char text[40];
  const auto shortest =
      std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
  const auto value = parse(std::string_view{text, shortest.ptr});
  RC_ASSERT(value.has_value());
  RC_ASSERT(std::bit_cast<std::uint64_t>(value->as_double()) == bits);
}

} // namespace
} // namespace tayfa
