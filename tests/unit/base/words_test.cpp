// Blanks, case and lists, at their edges.
#include "runtime/base/words.hpp"

#include <clocale>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::text {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using testing::ElementsAre;

TEST(words, trimmed_takes_blanks_off_both_ends_only) {
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed(" \t\r\n \n"), "");
  EXPECT_EQ(trimmed("a"), "a");
  EXPECT_EQ(trimmed("\t a b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \0 "sv), "\0"sv) << "a NUL is no blank";
  EXPECT_EQ(trimmed("\v a \f"), "\v a \f") << "nor are the vertical ones";
  EXPECT_EQ(trimmed("\u00A0x\u2003"), "\u00A0x\u2003") << "nor are blanks beyond ASCII";
}

TEST(words, trimmed_takes_off_what_it_is_asked_to) {
  EXPECT_EQ(trimmed("\n a \n", " \t"), "\n a \n");
  EXPECT_EQ(trimmed(" \ta\t ", " \t"), "a");
  EXPECT_EQ(trimmed(" a ", ""), " a ");
}

TEST(words, trimmed_returns_a_part_of_the_text_itself) {
  const std::string text = "  key  ";
  EXPECT_EQ(trimmed(text).data(), text.data() + 2);
}

TEST(words, lower_changes_ascii_letters_and_nothing_else) {
  EXPECT_EQ(lower(""), "");
  EXPECT_EQ(lower("AZaz@[`{09"), "azaz@[`{09");
  EXPECT_EQ(lower("A\0B"sv), "a\0b"s);
  EXPECT_EQ(lower("\u00C4\u0130"), "\u00C4\u0130") << "bytes beyond ASCII stay";
}

TEST(words, case_does_not_depend_on_the_locale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"tr_TR.UTF-8", "de_DE.ISO-8859-1", "C.UTF-8"}) {
    std::setlocale(LC_ALL, name); // where it is installed
    EXPECT_EQ(lower("I\xC4"), "i\xC4") << name;
    EXPECT_TRUE(iequals("TITLE", "title")) << name;
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(words, iequals_compares_all_of_both) {
  EXPECT_TRUE(iequals("", ""));
  EXPECT_TRUE(iequals("Content-Type", "cONTENT-tYPE"));
  EXPECT_FALSE(iequals("http", "https"));
  EXPECT_FALSE(iequals("https", "http"));
  EXPECT_FALSE(iequals("a\0b"sv, "a\0c"sv)) << "a NUL ends nothing";
  EXPECT_FALSE(iequals("@", "`")) << "32 apart, but no letters";
  EXPECT_FALSE(iequals("\u00E4", "\u00C4"));
}

TEST(words, fronts_and_ends_without_case) {
  EXPECT_TRUE(istarts_with("DATA:image", "data:"));
  EXPECT_TRUE(istarts_with("x", ""));
  EXPECT_FALSE(istarts_with("dat", "data:"));
  EXPECT_FALSE(istarts_with("", "d"));
  EXPECT_TRUE(iends_with("image/png;BASE64", ";base64"));
  EXPECT_TRUE(iends_with("", ""));
  EXPECT_FALSE(iends_with("64", ";base64"));
}

TEST(words, split_keeps_empty_parts) {
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a", ','), ElementsAre("a"));
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split(",", ','), ElementsAre("", ""));
  EXPECT_THAT(split(" a , \u00E4 ", ','), ElementsAre(" a ", " \u00E4 "));
  EXPECT_THAT(split("a\0b"sv, '\0'), ElementsAre("a", "b"));
}

} // namespace
} // namespace tayfa::text
