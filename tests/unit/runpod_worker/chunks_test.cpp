// Chunks of a stream: each post within a megabyte, each piece JSON of its own.
#include "tests/unit/runpod_worker/samples.hpp"

#include "runtime/api/json_text.hpp"

#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

std::string_view inner_of(const std::string& body) {
  constexpr std::string_view head = R"({"output": )";
  EXPECT_TRUE(body.starts_with(head) && body.ends_with('}')) << body.substr(0, 40);
  return std::string_view{body}.substr(head.size(), body.size() - head.size() - 1);
}

void expect_pieces(const std::vector<std::string>& bodies) {
  for (const std::string& body : bodies) {
    EXPECT_LE(body.size(), chunk_bytes_max);
    EXPECT_TRUE(api::check_json(body).has_value()) << body.substr(0, 40);
  }
}

/// The concatenated text of the pieces, still written as JSON.
std::string joined_text(const std::vector<std::string>& bodies) {
  std::string out;
  for (const std::string& body : bodies) {
    const std::string_view inner = inner_of(body);
    out += inner.substr(1, inner.size() - 2);
  }
  return out;
}

TEST(runpod_chunks, small_ones_go_as_they_are) {
  for (const std::string& text : {std::string{R"({"a" :1.0})"}, std::string{"\"é\""},
                                  std::string{"[1 ,2]"}, std::string{"null"}}) {
    const auto bodies = chunk_bodies(chunk{text}).value();
    ASSERT_EQ(bodies.size(), 1U);
    EXPECT_EQ(bodies[0], R"({"output": )" + text + "}");
  }
  EXPECT_EQ(chunk_bodies(chunk{}).value(), std::vector<std::string>{R"({"output": null})"});
}

TEST(runpod_chunks, the_largest_that_is_one_body) {
  const std::size_t room = chunk_bytes_max - std::string_view{R"({"output": ""})"}.size();
  EXPECT_EQ(chunk_bodies(chunk{'"' + std::string(room, 'x') + '"'}).value().size(), 1U);
  const auto two = chunk_bodies(chunk{'"' + std::string(room + 1, 'x') + '"'}).value();
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].size(), chunk_bytes_max);
  EXPECT_EQ(two[1], R"({"output": "x"})");
}

TEST(runpod_chunks, text_is_cut_between_characters_and_escapes) {
  for (const std::string unit :
       {"é", "€", "😀", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\\\", "\\\""}) {
    for (const std::size_t shift : {0U, 1U, 2U, 3U, 5U, 7U, 11U}) {
      std::string text(shift, 'x');
      while (text.size() < 2'100'000) {
        text += unit;
      }
      const auto bodies = chunk_bodies(chunk{'"' + text + '"'}).value();
      EXPECT_EQ(bodies.size(), 3U) << unit;
      expect_pieces(bodies);
      EXPECT_TRUE(joined_text(bodies) == text) << unit << shift;
    }
  }
}

TEST(runpod_chunks, lists_are_cut_between_elements) {
  const std::string element = "{\"t\": \"" + std::string(99'000, 'x') + "\"}";
  std::string list = "[";
  for (int i = 0; i < 25; ++i) {
    list += (i > 0 ? " , " : " ") + element;
  }
  const auto bodies = chunk_bodies(chunk{list + " ]"}).value();
  ASSERT_EQ(bodies.size(), 3U);
  expect_pieces(bodies);
  EXPECT_EQ(inner_of(bodies[2]).substr(0, 8), "[{\"t\": \"");
  std::size_t elements = 0;
  for (const std::string& body : bodies) {
    for (std::size_t at = body.find("\"t\""); at != std::string::npos;
         at = body.find("\"t\"", at + 1)) {
      ++elements;
    }
  }
  EXPECT_EQ(elements, 25U);
}

TEST(runpod_chunks, what_cannot_be_cut_is_too_large) {
  const std::string large(1'000'000, 'x');
  for (const std::string& text : {"{\"a\":\"" + large + "\"}", "[\"" + large + "\"]",
                                  "[1,\"" + large + "\",2]", std::string(1'000'000, '1')}) {
    const auto bodies = chunk_bodies(chunk{text});
    ASSERT_FALSE(bodies.has_value());
    EXPECT_EQ(bodies.error().code, errc::payload_too_large);
  }
}

TEST(runpod_chunks, blanks_around_a_large_text_do_not_count) {
  const std::string large(999'990, 'x');
  const auto bodies = chunk_bodies(chunk{"\n \"" + large + "\" \t"}).value();
  expect_pieces(bodies);
  EXPECT_EQ(joined_text(bodies), large);
}

} // namespace
} // namespace tayfa::runpod
