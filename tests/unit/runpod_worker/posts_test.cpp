// Answers to posts and to the stop channel, and the pauses between tries.
#include "tests/unit/runpod_worker/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::runpod {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using what = take_outcome::what;
using fate = post_outcome::what;

struct stop_row {
  outgoing_answer given;
  what kind;
  std::vector<std::string> ids;
  bool remark;
};
TEST(runpod_stop, answers) {
  for (const stop_row& row :
       {stop_row{answer(200, R"({"jobsToStop":["a-u1", "b"]})"), what::jobs, {"a-u1", "b"}, false},
        stop_row{answer(200, R"({"jobsToStop":[]})"), what::none, {}, false},
        stop_row{answer(200, "{}"), what::none, {}, false},
        stop_row{answer(200, ""), what::none, {}, false},
        stop_row{answer(204, ""), what::none, {}, false},
        stop_row{
            answer(200, R"({"jobsToStop":["a",7,null,"",["b"],"c\n"]})"), what::jobs, {"a"}, true},
        stop_row{answer(200, R"({"jobsToStop":[7]})"), what::slow, {}, true},
        stop_row{answer(200, R"({"jobsToStop":"a"})"), what::slow, {}, true},
        stop_row{answer(200, R"(["a"])"), what::slow, {}, true},
        stop_row{answer(200, "{"), what::slow, {}, true},
        stop_row{answer(200, R"({"jobsToStop":["a"]})", "text/html"), what::slow, {}, true},
        stop_row{answer(404, ""), what::slow, {}, true},
        stop_row{answer(429, ""), what::busy, {}, false},
        stop_row{answer(502, ""), what::broken, {}, true}}) {
    const stop_outcome outcome = read_stop(row.given);
    EXPECT_EQ(outcome.kind, row.kind) << row.given.body;
    EXPECT_EQ(outcome.ids, row.ids) << row.given.body;
    EXPECT_EQ(!outcome.remark.empty(), row.remark) << row.given.body << outcome.remark;
  }
  EXPECT_EQ(read_stop(answer(429, "")).pause, milliseconds{5'000});
  EXPECT_EQ(read_stop(fail(errc::request_timeout)).kind, what::none);
  EXPECT_EQ(read_stop(fail(errc::unavailable)).kind, what::broken);
}

TEST(runpod_posts, statuses) {
  for (const auto& [status, kind] :
       {std::pair{200U, fate::accepted}, std::pair{201U, fate::accepted},
        std::pair{204U, fate::accepted}, std::pair{302U, fate::again},
        std::pair{400U, fate::refused}, std::pair{401U, fate::refused},
        std::pair{404U, fate::refused}, std::pair{408U, fate::again},
        std::pair{409U, fate::refused}, std::pair{413U, fate::refused},
        std::pair{425U, fate::again}, std::pair{429U, fate::again}, std::pair{500U, fate::again},
        std::pair{503U, fate::again}, std::pair{0U, fate::again}}) {
    const post_outcome outcome = read_post(answer(status, "x", "text/html"));
    EXPECT_EQ(outcome.kind, kind) << status;
    EXPECT_EQ(outcome.text, "status " + std::to_string(status));
    EXPECT_EQ(outcome.pause, milliseconds{0});
  }
  EXPECT_EQ(read_post(answer_after(503, "4")).pause, milliseconds{4'000});
  EXPECT_EQ(read_post(answer_after(429, "Wed, 21 Oct 2015 07:28:00 GMT")).pause, milliseconds{0});
}

TEST(runpod_posts, no_answer) {
  for (const errc code : {errc::request_timeout, errc::unavailable, errc::io_error, errc::cancelled,
                          errc::stopping, errc::payload_too_large}) {
    EXPECT_EQ(read_post(fail(code)).kind, fate::again) << to_string(code);
  }
  EXPECT_EQ(read_post(fail(errc::bad_request)).kind, fate::refused);
  EXPECT_EQ(read_post(fail(errc::unavailable, "x")).text, (error{errc::unavailable, "x"}).str());
}

TEST(runpod_pauses, double_up_to_their_end) {
  std::vector<std::int64_t> takes;
  std::vector<std::int64_t> posts;
  for (const std::uint32_t n : {0U, 1U, 2U, 3U, 6U, 7U, 100U, 4'294'967'295U}) {
    takes.push_back(take_pause(n).count());
    posts.push_back(post_pause(n).count());
  }
  EXPECT_THAT(takes, ElementsAre(100, 100, 200, 400, 3'200, 5'000, 5'000, 5'000));
  EXPECT_THAT(posts, ElementsAre(500, 500, 1'000, 2'000, 16'000, 30'000, 30'000, 30'000));
}

} // namespace
} // namespace tayfa::runpod
