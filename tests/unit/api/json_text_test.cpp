#include "runtime/api/json_text.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(append_json_string, escapes_what_must_be) {
  EXPECT_EQ(as_json(""), R"("")");
  EXPECT_EQ(as_json("a\"b\\c\n\r\t\x01\x7f"), R"("a\"b\\c\n\r\t\u0001\u007f")");
  EXPECT_EQ(as_json(std::string("\0x", 2)), R"("\u0000x")");
  EXPECT_EQ(as_json("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x9A\x80"),
            "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x9A\x80\"");
}

TEST(append_json_string, mends_what_is_not_utf8) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(as_json("a\xff"), "\"a" + mark + "\"");
  EXPECT_EQ(as_json("\xC3"), "\"" + mark + "\"");
  EXPECT_EQ(as_json("\xC0\xAF"), "\"" + mark + mark + "\"");
  EXPECT_EQ(as_json("\xED\xA0\x80z"), "\"" + mark + mark + mark + "z\"");
  EXPECT_EQ(as_json("\xF5\x80\x80\x80"), "\"" + mark + mark + mark + mark + "\"");
}

TEST(json_members, finds_ranges) {
  const std::string text = R"( {"a" : [1,{"b":2}] , "c\n":"x\"}","d":null, "e":-1.5e3} )";
  ASSERT_TRUE(check_json(text));
  const auto members = json_members(text);
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 4U);
  EXPECT_EQ((*members)[0].value, R"([1,{"b":2}])");
  EXPECT_EQ((*members)[1].key, "c\n");
  EXPECT_EQ((*members)[1].value, R"("x\"}")");
  EXPECT_EQ((*members)[2].value, "null");
  EXPECT_EQ((*members)[3].value, "-1.5e3");
  EXPECT_TRUE(json_members("{ }")->empty());
  EXPECT_FALSE(json_members("[]"));
}

TEST(json_members, stays_inside_text_that_is_not_json) {
  for (const std::string text :
       {"{\"", "{\"a\\", "{\"a\":[", "{\"a\":[\"", "{\"a\"", "{\"a\":\"\\"}) {
    EXPECT_NO_THROW(json_members(text)) << text;
  }
}

} // namespace
} // namespace tayfa::api
