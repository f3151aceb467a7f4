#include "runtime/http/event_stream.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

constexpr std::size_t room = 16 * 1024;

std::string now(const api::response& r) {
  const auto piece = r.stream->next(room);
  EXPECT_FALSE(piece.ended);
  return piece.text;
}

TEST(event_text, has_the_form_of_the_standard) {
  EXPECT_EQ(event_text({41, "job", "a", R"({"id":"a"})"}),
            "id: 41\nevent: job\ndata: {\"id\":\"a\"}\n\n");
}

TEST(event_text, no_event_can_look_like_two) {
  EXPECT_EQ(event_text({1, "job", "a", "{\n\n\"a\":1\r\n}"}),
            "id: 1\nevent: job\ndata: {\ndata: \ndata: \"a\":1\ndata: \ndata: }\n\n");
  EXPECT_EQ(event_text({1, "job\n\ndata: x", "a", ""}),
            "id: 1\nevent: job\nevent: \nevent: data: x\ndata: \n\n");
}

TEST(event_text, of_what_is_gone) {
  EXPECT_EQ(missed_text({{}, 7, 0, false}), "");
  EXPECT_EQ(missed_text({{}, 7, 3, false}), "event: missed\ndata: {\"missed\":3}\n\n");
  EXPECT_EQ(missed_text({{}, 7, 0, true}), "event: missed\ndata: {\"missed\":null}\n\n");
}

TEST(event_stream, begins_with_what_happens_from_now_on) {
  event_feed feed;
  feed.publish("job", "a", "{}");
  const auto r = event_stream(feed, {});
  EXPECT_EQ(r.status, 200U);
  EXPECT_EQ(r.content_type, "text/event-stream");
  feed.publish("job", "b", "{}"); // before the first read
  EXPECT_EQ(now(r), "retry: 1000\nid: 1\n\nid: 2\nevent: job\ndata: {}\n\n");
  EXPECT_EQ(now(r), "");
  feed.publish("pod", "", "{}");
  EXPECT_EQ(now(r), "id: 3\nevent: pod\ndata: {}\n\n");
}

TEST(event_stream, keeps_the_feed_awake) {
  event_feed feed;
  const auto r = event_stream(feed, {});
  EXPECT_FALSE(feed.idle());
}

TEST(event_stream, goes_on_behind_a_number_and_for_one_job) {
  event_feed feed{4};
  for (const char* const id : {"a", "b", "a", "b", "a", "b"}) {
    feed.publish("job", id, "{}");
  }
  EXPECT_EQ(now(event_stream(feed, {{}, {}, 5})), "retry: 1000\n\nid: 6\nevent: job\ndata: {}\n\n");
  EXPECT_EQ(now(event_stream(feed, {{}, job_id{"a"}, 1})),
            "retry: 1000\n\nevent: missed\ndata: {\"missed\":1}\n\n"
            "id: 3\nevent: job\ndata: {}\n\nid: 5\nevent: job\ndata: {}\n\n");
  EXPECT_EQ(now(event_stream(feed, {{}, job_id{"a"}, 99})),
            "retry: 1000\n\nevent: missed\ndata: {\"missed\":null}\n\n"
            "id: 3\nevent: job\ndata: {}\n\nid: 5\nevent: job\ndata: {}\n\n");
}

TEST(event_stream, from_the_beginning) {
  event_feed feed{4, 1'000};
  for (int i = 0; i < 5; ++i) {
    feed.publish("job", "a", "{}");
  }
  EXPECT_TRUE(now(event_stream(feed, {{}, {}, 0}))
                  .starts_with("retry: 1000\n\nevent: missed\ndata: {\"missed\":1}\n\nid: 1002\n"));
  EXPECT_TRUE(
      now(event_stream(feed, {{}, {}, 900}))
          .starts_with("retry: 1000\n\nevent: missed\ndata: {\"missed\":null}\n\nid: 1002\n"));
}

TEST(event_stream, hands_out_little_at_a_time) {
  event_feed feed;
  const auto r = event_stream(feed, {});
  for (int i = 0; i < 1'000; ++i) {
    feed.publish("job", "a", std::string(1'000, 'x'));
  }
  std::string all;
  std::size_t pieces = 0;
  for (std::string text; !(text = now(r)).empty(); ++pieces) {
    EXPECT_LE(text.size(), 2 * room);
    all += text;
  }
  EXPECT_GT(pieces, 30U);
  EXPECT_NE(all.find("id: 1000\n"), std::string::npos);
}

TEST(event_stream, stops_watching_when_it_ends) {
  event_feed feed;
  int woken = 0;
  auto r = event_stream(feed, {});
  r.stream->on_more([&woken] { ++woken; });
  feed.publish("job", "a", "{}");
  r.stream.reset();
  feed.publish("job", "a", "{}");
  EXPECT_EQ(woken, 1);
}

} // namespace
} // namespace tayfa
