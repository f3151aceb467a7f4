// Characters, validity and cuts.
#include "runtime/base/utf8.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

namespace tayfa::text {
namespace {

using namespace std::string_view_literals;

const std::string ship = "\xF0\x9F\x9A\xA2"; // four bytes
const std::string euro = "\xE2\x82\xAC";     // three

TEST(utf8, the_first_code_point_of_each_length) {
  struct row {
    std::string_view text;
    std::uint32_t value;
    std::size_t length;
  };
  const std::vector<row> rows = {{"\0a"sv, 0, 1},
                                 {"\x7F", 0x7F, 1},
                                 {"\xC2\x80", 0x80, 2},
                                 {"\xDF\xBF", 0x7FF, 2},
                                 {"\xE0\xA0\x80", 0x800, 3},
                                 {"\xED\x9F\xBF", 0xD7FF, 3},
                                 {"\xEE\x80\x80", 0xE000, 3},
                                 {"\xEF\xBF\xBF", 0xFFFF, 3},
                                 {"\xF0\x90\x80\x80", 0x10000, 4},
                                 {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4}};
  for (const auto& r : rows) {
    const auto first = first_code_point(r.text);
    EXPECT_TRUE(first.valid);
    EXPECT_EQ(first.value, r.value);
    EXPECT_EQ(first.length, r.length);
  }
}

TEST(utf8, what_is_none_stands_alone_byte_by_byte) {
  for (const auto text : {"\x80", "\xBF", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF",
                          "\xE2\x82", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF"}) {
    const auto first = first_code_point(text);
    EXPECT_FALSE(first.valid) << text;
    EXPECT_EQ(first.length, 1U) << text;
    EXPECT_FALSE(is_utf8(text)) << text;
    EXPECT_FALSE(is_utf8("a" + std::string{text} + "b")) << text;
  }
}

TEST(utf8, texts_that_are_valid) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\0b"sv)) << "a NUL is a character";
  EXPECT_TRUE(is_utf8(euro + ship + "\xC3\xA9"));
}

TEST(utf8, a_prefix_ends_between_two_characters) {
  EXPECT_EQ(utf8_prefix("", 0), "");
  EXPECT_EQ(utf8_prefix("", 9), "");
  EXPECT_EQ(utf8_prefix("abc", 0), "");
  EXPECT_EQ(utf8_prefix("abc", 2), "ab");
  EXPECT_EQ(utf8_prefix("abc", 3), "abc");
  EXPECT_EQ(utf8_prefix("abc", 4), "abc");
  EXPECT_EQ(utf8_prefix("a\0b"sv, 2), "a\0"sv);
  for (std::size_t most = 1; most < 5; ++most) {
    EXPECT_EQ(utf8_prefix("a" + ship, most), "a") << most;
  }
  EXPECT_EQ(utf8_prefix("a" + ship, 5), "a" + ship);
  EXPECT_EQ(utf8_prefix(euro + euro, 5), euro);
  EXPECT_EQ(utf8_prefix(ship, 3), "") << "not even one fits";
  EXPECT_EQ(utf8_prefix("ab\x80"sv.substr(0, 2), 2), "ab") << "what lies behind is not looked at";
}

TEST(utf8, a_prefix_of_bytes_that_are_none_loses_three_at_most) {
  const std::string continuations(100, '\x80');
  EXPECT_EQ(utf8_prefix(continuations, 50).size(), 47U);
  EXPECT_EQ(utf8_prefix(continuations, 2).size(), 0U);
  EXPECT_EQ(utf8_prefix(continuations, 100).size(), 100U);
}

TEST(utf8, half_a_surrogate_pair_is_written_but_is_not_utf8) {
  std::string out = "x";
  append_utf8(out, 0xD800);
  EXPECT_EQ(out, "x\xED\xA0\x80");
  EXPECT_FALSE(is_utf8(out));
}

RC_GTEST_PROP(utf8, what_is_appended_is_read_again, ()) {
  const auto value = *rc::gen::suchThat(rc::gen::inRange<std::uint32_t>(0, 0x110000),
                                        [](auto v) { return v < 0xD800 || v > 0xDFFF; });
  std::string out;
  append_utf8(out, value);
  const auto first = first_code_point(out);
  RC_ASSERT(first.valid);
  RC_ASSERT(first.value == value);
  RC_ASSERT(first.length == out.size());
}

RC_GTEST_PROP(utf8, a_prefix_of_valid_text_is_valid_and_as_long_as_it_can_be, ()) {
  std::string text;
  for (const auto value : *rc::gen::container<std::vector<std::uint32_t>>(
           rc::gen::element<std::uint32_t>('a', 0xE9, 0x20AC, 0x1F6A2))) {
    append_utf8(text, value);
  }
  const auto most = *rc::gen::inRange<std::size_t>(0, text.size() + 2);
  const auto front = utf8_prefix(text, most);
  RC_ASSERT(is_utf8(front));
  RC_ASSERT(front.size() <= most);
  RC_ASSERT(text.starts_with(front));
  const auto next = text.substr(front.size());
  RC_ASSERT(next.empty() || front.size() + first_code_point(next).length > most);
}

} // namespace
} // namespace tayfa::text
