// The three forms of one JSON string.
#include "runtime/base/json_string.hpp"

#include "runtime/base/utf8.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <vector>

namespace tayfa::text {
namespace {

using namespace std::string_literals;

std::string written(std::string_view text, json_escapes escapes) {
  std::string out;
  append_json_string(out, text, escapes);
  return out;
}

TEST(json_string, three_forms) {
  struct row {
    std::string text;
    std::string needed;
    std::string dangerous;
    std::string non_ascii;
  };
  const std::vector<row> rows = {
      {"", R"("")", R"("")", R"("")"},
      {"a\"b\\c\n\r\t", R"("a\"b\\c\n\r\t")", R"("a\"b\\c\n\r\t")", R"("a\"b\\c\n\r\t")"},
      {"\0\x1f\x7f"s, R"("\u0000\u001f\u007f")", R"("\u0000\u001f\u007f")",
       R"("\u0000\u001f\u007f")"},
      {"\u00E9", "\"\u00E9\"", "\"\u00E9\"", R"("\u00e9")"},
      {"\u0085\u202E", "\"\u0085\u202E\"", R"("\u0085\u202e")", R"("\u0085\u202e")"},
      {"\U0001F6A2x", "\"\U0001F6A2x\"", "\"\U0001F6A2x\"", R"("\ud83d\udea2x")"},
      {"\U0010FFFF", "\"\U0010FFFF\"", "\"\U0010FFFF\"", R"("\udbff\udfff")"},
      {"a\xFF\xE2\x82", "\"a\uFFFD\uFFFD\uFFFD\"", R"("a\ufffd\ufffd\ufffd")",
       R"("a\ufffd\ufffd\ufffd")"},
      {"\xED\xA0\x80", "\"\uFFFD\uFFFD\uFFFD\"", R"("\ufffd\ufffd\ufffd")",
       R"("\ufffd\ufffd\ufffd")"},
  };
  for (const auto& r : rows) {
    EXPECT_EQ(written(r.text, json_escapes::needed), r.needed);
    EXPECT_EQ(written(r.text, json_escapes::dangerous), r.dangerous);
    EXPECT_EQ(written(r.text, json_escapes::non_ascii), r.non_ascii);
  }
}

TEST(json_string, is_appended_to_what_is_there) {
  std::string out = "{";
  append_json_string(out, "k");
  EXPECT_EQ(out, R"({"k")");
}

RC_GTEST_PROP(json_string, every_form_of_any_bytes_reads_back, (const std::vector<char>& bytes)) {
  const std::string text{bytes.begin(), bytes.end()};
  std::string mended; // every byte that is no UTF-8 is U+FFFD
  for (std::string_view rest = text; !rest.empty();) {
    const auto first = first_code_point(rest);
    append_utf8(mended, first.valid ? first.value : 0xFFFD);
    rest.remove_prefix(first.length);
  }
  for (const auto escapes :
       {json_escapes::needed, json_escapes::dangerous, json_escapes::non_ascii}) {
    const auto read = boost::json::parse(written(text, escapes));
    RC_ASSERT(std::string{read.as_string()} == mended);
  }
}

} // namespace
} // namespace tayfa::text
