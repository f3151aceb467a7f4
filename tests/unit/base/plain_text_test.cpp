#include "runtime/base/plain_text.hpp"

#include <gtest/gtest.h>
#include <string>

namespace tayfa::text {
namespace {

using namespace std::string_view_literals;

std::string wide(std::string_view ascii, std::size_t width, bool little) {
  std::string out;
  for (const char c : ascii) {
    std::string unit(width, '\0');
    unit[little ? 0 : width - 1] = c;
    out += unit;
  }
  return out;
}

TEST(plain_text, a_mark_at_the_front_is_no_part_of_the_text) {
  EXPECT_EQ(without_mark("\xef\xbb\xbf{}"), "{}");
  EXPECT_EQ(without_mark("\xef\xbb\xbf"), "");
  EXPECT_EQ(without_mark("{\xef\xbb\xbf}"), "{\xef\xbb\xbf}");
  EXPECT_EQ(without_mark("\xef\xbb{}"), "\xef\xbb{}");
  EXPECT_EQ(without_mark(""), "");
}

TEST(plain_text, wide_texts_are_named_with_a_mark_and_without) {
  for (const auto* const text : {"{\"input\": 1}", "[queue]\nmax = 1\n", "{}"}) {
    for (const bool little : {true, false}) {
      const std::string mark = little ? "\xff\xfe" : "\xfe\xff";
      for (const auto& bytes : {wide(text, 2, little), mark + wide(text, 2, little)}) {
        EXPECT_EQ(why_not_utf8(bytes), "it is UTF-16; save it as UTF-8") << text << little;
      }
      const std::string mark32 =
          little ? std::string{"\xff\xfe\0\0"sv} : std::string{"\0\0\xfe\xff"sv};
      for (const auto& bytes : {wide(text, 4, little), mark32 + wide(text, 4, little)}) {
        EXPECT_EQ(why_not_utf8(bytes), "it is UTF-32; save it as UTF-8") << text << little;
      }
    }
  }
  // Only the front is checked: later characters may be of any alphabet.
  EXPECT_TRUE(why_not_utf8(wide("{\"", 2, true) + "\x3a\x04\x3b\x04"));
}

TEST(plain_text, all_other_text_is_left_to_its_parser) {
  for (const auto text : {""sv, "{"sv, "{}"sv, "name=a"sv, "\xef\xbb\xbf{}"sv, "\0"sv, "ab\0"sv,
                          "\xd0\xba\xd0\xbb"sv, "\0\0\0\0"sv}) {
    EXPECT_FALSE(why_not_utf8(text).has_value()) << text;
  }
}

} // namespace
} // namespace tayfa::text
