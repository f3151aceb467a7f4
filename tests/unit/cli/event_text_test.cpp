#include "runtime/cli/event_text.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace tayfa {
namespace {

std::vector<std::string> read(std::string_view text, std::size_t piece) {
  event_reader reader;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    EXPECT_TRUE(reader.feed(text.substr(at, piece)));
    while (const auto event = reader.next()) {
      out.push_back(std::to_string(event->number) + ' ' + event->kind + ' ' + event->data);
    }
  }
  return out;
}

TEST(event_reader, however_the_bytes_come) {
  constexpr std::string_view text = "retry: 1000\nid: 40\n\n"
                                    "id: 41\nevent: job\ndata: {\"a\":1}\n\n"
                                    ":\n\n"
                                    "id: 42\r\nevent: engine\r\ndata: one\r\ndata:two\r\n\r\n"
                                    "data: no kind\rid: x\r\r";
  const std::vector<std::string> expected = {"41 job {\"a\":1}", "42 engine one\ntwo",
                                             "42 message no kind"};
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    EXPECT_EQ(read(text, piece), expected) << piece;
  }
}

TEST(event_reader, knows_where_the_stream_stands) {
  event_reader reader;
  EXPECT_TRUE(reader.feed("id: 7\n\n"));
  EXPECT_EQ(reader.last(), 7U);
  EXPECT_FALSE(reader.next());
}

TEST(event_reader, is_bounded) {
  event_reader line;
  EXPECT_FALSE(line.feed("data: " + std::string(event_reader::event_bytes_max, 'x')));
  event_reader lines;
  bool good = true;
  for (int i = 0; i < 3'000 && good; ++i) {
    good = lines.feed("data: " + std::string(1'000, 'x') + '\n');
  }
  EXPECT_FALSE(good);
}

} // namespace
} // namespace tayfa
