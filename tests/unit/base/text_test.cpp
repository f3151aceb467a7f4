#include "runtime/base/text.hpp"

#include "runtime/base/json_string.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::text {
namespace {

using namespace std::string_literals;

std::string json(std::string_view s) {
  std::string out;
  append_json_string(out, s, json_escapes::dangerous);
  return out;
}
std::string word(std::string_view s) {
  std::string out;
  append_word(out, s);
  return out;
}

struct escape_row {
  std::string in;
  std::string as_word;
  std::string as_json;
};

TEST(text, escaping_table) {
  const std::vector<escape_row> rows = {
      {"plain", "plain", R"("plain")"},
      {"a/b:c,[d]{}#1", "a/b:c,[d]{}#1", R"("a/b:c,[d]{}#1")"},
      {"", R"("")", R"("")"},
      {"two words", R"("two words")", R"("two words")"},
      {"a=b", R"("a=b")", R"("a=b")"},
      {R"(say "hi")", R"("say \"hi\"")", R"("say \"hi\"")"},
      {R"(back\slash)", R"("back\\slash")", R"("back\\slash")"},
      {"line\nfeed\r\ttab", R"("line\nfeed\r\ttab")", R"("line\nfeed\r\ttab")"},
      {"nul\0!"s, R"("nul\u0000!")", R"("nul\u0000!")"},
      {"\x1b[31mred", R"("\u001b[31mred")", R"("\u001b[31mred")"},
      {"del\x7f", R"("del\u007f")", R"("del\u007f")"},
      {"c1 \xc2\x9b", R"("c1 \u009b")", R"("c1 \u009b")"},
      {"g\xc3\xbcverte", "\"g\xc3\xbcverte\"", "\"g\xc3\xbcverte\""},
      {"\xf0\x9f\x9a\xa2", "\"\xf0\x9f\x9a\xa2\"", "\"\xf0\x9f\x9a\xa2\""},
      {"sep\xe2\x80\xa8", R"("sep\u2028")", R"("sep\u2028")"},
      {"bidi\xe2\x80\xae", R"("bidi\u202e")", R"("bidi\u202e")"},
      {"\xff\xfe", R"("\xff\xfe")", R"("\ufffd\ufffd")"},
      {"cut\xe2\x82", R"("cut\xe2\x82")", R"("cut\ufffd\ufffd")"},
      {"overlong\xc0\xaf", R"("overlong\xc0\xaf")", R"("overlong\ufffd\ufffd")"},
      {"surrogate\xed\xa0\x80", R"("surrogate\xed\xa0\x80")", R"("surrogate\ufffd\ufffd\ufffd")"},
      {"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")", R"("\ufffd\ufffd\ufffd\ufffd")"},
      {"\xf8\x88\x80\x80\x80", R"("\xf8\x88\x80\x80\x80")", R"("\ufffd\ufffd\ufffd\ufffd\ufffd")"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(word(row.in), row.as_word);
    EXPECT_EQ(json(row.in), row.as_json);
  }
}

TEST(text, clean_is_what_needs_no_escape_for_its_characters) {
  EXPECT_TRUE(is_clean(""));
  EXPECT_TRUE(is_clean("a \"b\" \\ =\xc3\xbc"));
  for (const char* bad : {"\n", "\x7f", "\xff", "\xc2\x80", "\xe2\x80\xae", "\xef\xbb\xbf"}) {
    EXPECT_FALSE(is_clean(bad)) << word(bad);
  }
}

TEST(text, cut_middle_keeps_both_ends_and_says_how_much_is_gone) {
  EXPECT_EQ(cut_middle("short", 64), "short");
  const std::string cut = cut_middle(std::string(1000, 'a') + std::string(1000, 'b'), 100);
  EXPECT_EQ(cut, std::string(26, 'a') + "...CUT 1948 BYTES..." + std::string(26, 'b'));
}

RC_GTEST_PROP(text, cut_middle_is_bounded_and_splits_no_character, (const std::string& unit)) {
  std::string s;
  for (int i = 0; i < 300; ++i) {
    s += (i % 3 == 0) ? "\xe2\x82\xac" : (i % 3 == 1 ? "\xf0\x9f\x9a\xa2" : "ab");
  }
  const auto limit = *rc::gen::inRange<std::size_t>(64, 900);
  const std::string cut = cut_middle(s, limit);
  RC_ASSERT(cut.size() <= limit);
  RC_ASSERT(is_clean(cut));
  RC_ASSERT(cut_middle(unit + s + unit, limit).size() <= limit);
}

RC_GTEST_PROP(text, escaped_text_is_clean_and_on_one_line, (const std::vector<char>& bytes)) {
  const std::string s{bytes.begin(), bytes.end()};
  RC_ASSERT(is_clean(word(s)));
  RC_ASSERT(is_clean(json(s)));
}

} // namespace
} // namespace tayfa::text
