// A job's chunks as server-sent events: whole ones only, and [DONE] last.
#include "runtime/api/openai_events.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/python_literal.hpp"

#include <gtest/gtest.h>
#include <random>

namespace tayfa::api {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}
std::string taken(openai_events& events, std::string_view chunk) {
  const auto found = events.take(chunk);
  return found ? *found : "refused: " + found.error().text;
}

TEST(openai_events, of_a_worker_that_writes_them_itself) {
  openai_events e;
  EXPECT_FALSE(e.begun());
  EXPECT_EQ(taken(e, as_json("data: {\"n\":1}\n\ndata: {\"n\":2}\n\n")),
            "data: {\"n\":1}\n\ndata: {\"n\":2}\n\n");
  EXPECT_TRUE(e.begun());
  EXPECT_EQ(taken(e, as_json("data: {\"n\":3}\n\ndata: [DONE]\n\n")),
            "data: {\"n\":3}\n\ndata: [DONE]\n\n");
  EXPECT_TRUE(e.done());
  EXPECT_EQ(e.finish(), "");
}

TEST(openai_events, of_values) {
  openai_events e;
  EXPECT_EQ(taken(e, "{\"n\":\n 1}"), "data: {\"n\":  1}\n\n");
  EXPECT_EQ(taken(e, R"([{"n":2}, {"n":3}])"), "data: {\"n\":2}\n\ndata: {\"n\":3}\n\n");
  EXPECT_EQ(taken(e, "[]"), "");
  EXPECT_EQ(taken(e, "\"Hello\""), "data: \"Hello\"\n\n"); // no event: still not lost
  EXPECT_EQ(e.finish(), "data: [DONE]\n\n");
  EXPECT_EQ(e.finish(), "");
}

TEST(openai_events, an_error_among_them_has_openais_form) {
  openai_events e;
  EXPECT_EQ(taken(e, R"({"object":"error","message":"m","type":"t","param":null,"code":400})"),
            "data: {\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":400}}\n\n");
}

TEST(openai_events, leave_when_they_are_whole) {
  openai_events e;
  EXPECT_EQ(taken(e, as_json("data: {\"a\":")), "");
  EXPECT_EQ(taken(e, as_json("1}\n")), "");
  EXPECT_EQ(taken(e, as_json("\ndata: {")), "data: {\"a\":1}\n\n");
  EXPECT_EQ(taken(e, as_json("}\r\n\r")), ""); // half of a line end
  EXPECT_EQ(taken(e, as_json("\nid: 7\r\n")), "data: {}\r\n\r\n");
  EXPECT_EQ(e.finish(), "id: 7\r\n\n\ndata: [DONE]\n\n");
}

TEST(openai_events, that_are_cut_anywhere_are_the_same_in_the_end) {
  const std::string text =
      ": hi\r\n\r\ndata: {\"a\":1}\n\nevent: x\rdata: y\r\rdata: {\n\ndata: 2\n"
      "id: 3\n\ndata:[DONE]\n\n";
  std::mt19937 draw{7};
  for (int round = 0; round < 2000; ++round) {
    openai_events e;
    std::string all;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + draw() % 9;
      const auto piece = taken(e, as_json(text.substr(at, size)));
      const bool whole = piece.empty() || piece.ends_with("\n\n") || piece.ends_with("\r\r") ||
                         piece.ends_with("\r\n\r\n");
      EXPECT_TRUE(whole) << as_json(piece);
      all += piece;
      at += size;
    }
    ASSERT_EQ(all + e.finish(), text);
  }
}

TEST(openai_events, whose_beginning_is_cut) {
  openai_events e;
  EXPECT_EQ(taken(e, as_json("da")), "");
  EXPECT_EQ(taken(e, as_json("")), "");
  EXPECT_EQ(taken(e, as_json("ta")), "");
  EXPECT_EQ(taken(e, as_json(": 1\n\n")), "data: 1\n\n");
  openai_events words; // of a worker that writes bare words
  EXPECT_EQ(taken(words, as_json("da")), "");
  EXPECT_EQ(taken(words, as_json("d")), "data: \"da\"\n\ndata: \"d\"\n\n");
  EXPECT_EQ(taken(words, as_json("i")), "");
  EXPECT_EQ(words.finish(), "data: \"i\"\n\ndata: [DONE]\n\n");
  openai_events nothing; // and says nothing, for ever
  std::string said;
  for (int i = 0; i < 100'000; ++i) {
    said += taken(nothing, "\"\"");
  }
  EXPECT_GT(said.size(), 99'000 * std::string_view{"data: \"\"\n\n"}.size()) << "kept";
}

TEST(openai_events, done_is_the_last_and_said_once) {
  openai_events e;
  EXPECT_EQ(taken(e, as_json("data: 1\n\ndata: [DONE]\n\ndata: 2\n\n")),
            "data: 1\n\ndata: [DONE]\n\n");
  EXPECT_EQ(taken(e, "{\"late\":1}"), "");
  EXPECT_EQ(e.finish(), "");
  openai_events unfinished;
  EXPECT_EQ(taken(unfinished, as_json("data: [DONE]")), "");
  EXPECT_EQ(unfinished.finish(), "data: [DONE]\n\n");
  openai_events other;
  EXPECT_EQ(taken(other, as_json("data: [DONE]!\n\n")), "data: [DONE]!\n\n");
  EXPECT_EQ(other.finish(), "data: [DONE]\n\n");
}

TEST(openai_events, without_end_are_refused) {
  openai_events e;
  const std::string piece = as_json("data: " + std::string(500'000, 'x'));
  std::size_t taken_bytes = 0;
  while (e.take(piece)) {
    taken_bytes += 500'000;
    ASSERT_LE(taken_bytes, 2 * openai_events::event_bytes_max);
  }
  EXPECT_GE(taken_bytes, openai_events::event_bytes_max / 2);
}

TEST(openai_events, many_small_pieces_cost_no_second_look) {
  openai_events e; // quadratic work would take minutes
  const std::string piece = as_json("data: x");
  for (int i = 0; i < 250'000; ++i) {
    ASSERT_EQ(taken(e, piece), "");
  }
  EXPECT_EQ(e.finish().size(), 250'000 * 7 + 2 + 14);
}

TEST(openai_events, of_a_whole_output) {
  EXPECT_EQ(openai_events::whole(as_json("data: 1\n\n")), "data: 1\n\ndata: [DONE]\n\n");
  EXPECT_FALSE(openai_events::whole(R"(["data: 1",)"
                                    "2")
                   .value_or("")
                   .empty());
  for (const std::string other : {"{}", "[]", "[{}]", "\"text\"", "1", "[\"a\"]", ""}) {
    EXPECT_FALSE(openai_events::whole(other)) << other;
  }
}

// ---- Python's texts ----------------------------------------------------------------------------

TEST(python_literal, values) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"None", "null"},
      {"True", "true"},
      {"{'a': False}", R"({"a":false})"},
      {"{}", "{}"},
      {"[1, -2.5, 1e-07]", "[1,-2.5,1e-07]"},
      {"(1,)", "[1]"},
      {"('a', 'b')", R"(["a","b"])"},
      {R"("it's")", R"("it's")"},
      {R"('a\'b"c\\\n\t')", R"("a'b\"c\\\n\t")"},
      {R"('\x00\x1b\u2028\U0001f6a2')", "\"\\u0000\\u001b\u2028\U0001f6a2\""},
      {"'é'", "\"é\""},
      {"{'a': {'b': ['c', None]}}", R"({"a":{"b":["c",null]}})"},
  };
  for (const auto& [python, expected] : rows) {
    const auto found = json_of_python(python);
    ASSERT_TRUE(found) << python;
    EXPECT_EQ(*found, expected);
    EXPECT_TRUE(check_json(*found)) << *found;
  }
}

TEST(python_literal, anything_else_is_none) {
  for (const std::string text :
       {"",           " ",   "x",        "{'a'}",  "{1: 2}",  "{'a': }",       "['a' 'b']",
        "'a",         "'\\", "'\\q'",    "'\\x4'", "'\\ud8'", "'\\UFFFFFFFF'", "<object at 0x7f>",
        "{'a': <x>}", "nan", "inf",      "1 2",    "[1,,2]",  "{'a': 1",       "Nonesense",
        "--1",        "1.",  "'\\u00GG'"}) {
    EXPECT_FALSE(json_of_python(text)) << text;
  }
  EXPECT_TRUE(json_of_python(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(json_of_python(std::string(100'000, '[')));
  EXPECT_FALSE(json_of_python(std::string(70, '[') + std::string(70, ']')));
}

} // namespace
} // namespace tayfa::api
