// The posts of each job: their order, their pauses, and how a result ends.
#include "tests/unit/runpod_worker/session_script.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::runpod::testing {
namespace {

using namespace std::chrono_literals;

/// A session with the job "a", all of whose posts are looked at.
struct outbox_script : session_script {
  explicit outbox_script(session_options o = {},
                         const std::vector<std::string>& environment = samples::environment())
      : session_script(std::move(o), environment) {
    queue();
    knows({"a"});
  }
  bool logged(const std::string& line) const {
    return std::find(log.begin(), log.end(), line) != log.end();
  }
};

TEST(runpod_outbox, posts_of_one_job_leave_one_after_the_other) {
  outbox_script s;
  EXPECT_EQ(s.chunk("a", "1"), R"(stream a {"output": 1})");
  EXPECT_EQ(s.progress("a", R"("half")"), "");
  EXPECT_EQ(s.chunk("a", "2"), "");
  EXPECT_EQ(s.ends("a", "3"), "");
  EXPECT_EQ(s.posted("a"), R"(post a {"status": "IN_PROGRESS", "output": "half"})");
  EXPECT_EQ(s.posted("a"), R"(stream a {"output": 2})");
  EXPECT_EQ(s.posted("a"), R"(post a {"output": []})") << "the chunks were the output";
  EXPECT_EQ(s.posted("a"), "a delivered");
}

TEST(runpod_outbox, jobs_do_not_wait_for_each_other) {
  outbox_script s;
  EXPECT_EQ(s.chunk("a", "1"), R"(stream a {"output": 1})");
  EXPECT_EQ(s.chunk("b", "2"), R"(stream b {"output": 2})");
}

TEST(runpod_outbox, nothing_follows_the_result) {
  outbox_script s;
  s.ends("a", "1");
  EXPECT_EQ(s.chunk("a", "2"), "");
  EXPECT_EQ(s.progress("a", "3"), "");
  EXPECT_EQ(s.ends("a", "4"), "") << "the first one is under way";
  EXPECT_EQ(s.posted("a"), "a delivered");
}

TEST(runpod_outbox, a_failed_chunk_keeps_its_pause_whatever_else_comes) {
  outbox_script s;
  s.chunk("a", "1");
  EXPECT_EQ(s.posted("a", 503), "");
  EXPECT_EQ(s.chunk("a", "2"), "") << "its tries would be used up at once";
  EXPECT_EQ(s.ends("a", "3"), "");
  EXPECT_EQ(s.pass(499ms), "");
  EXPECT_EQ(s.pass(1ms), R"(stream a {"output": 1})");
  EXPECT_EQ(s.posted("a", 503), "");
  EXPECT_EQ(s.pass(999ms), "");
  EXPECT_EQ(s.pass(1ms), R"(stream a {"output": 1})");
  EXPECT_EQ(s.posted("a"), R"(stream a {"output": 2})");
}

TEST(runpod_outbox, the_platform_may_ask_for_a_longer_pause) {
  outbox_script s;
  s.chunk("a", "1");
  s.posted("a", samples::answer_after(429, "9"));
  EXPECT_EQ(s.pass(8'999ms), "");
  EXPECT_EQ(s.pass(1ms), R"(stream a {"output": 1})");
}

TEST(runpod_outbox, a_chunk_is_given_up_after_six_tries) {
  outbox_script s;
  s.chunk("a", "1");
  s.chunk("a", "2");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(s.posted("a", s.unreachable()), "");
    EXPECT_EQ(s.pass(30s), R"(stream a {"output": 1})");
  }
  EXPECT_EQ(s.posted("a", s.unreachable()), R"(stream a {"output": 2})");
  EXPECT_TRUE(s.logged("post_given_up a"));
}

TEST(runpod_outbox, a_chunk_that_the_platform_refuses_is_given_up_at_once) {
  outbox_script s;
  s.chunk("a", "1");
  s.chunk("a", "2");
  EXPECT_EQ(s.posted("a", 413), R"(stream a {"output": 2})");
}

TEST(runpod_outbox, without_an_address_for_chunks_there_are_none) {
  outbox_script s{{}, samples::environment_but({"RUNPOD_WEBHOOK_POST_STREAM"})};
  EXPECT_EQ(s.chunk("a", "1"), "");
  EXPECT_EQ(s.progress("a", "2"), R"(post a {"status": "IN_PROGRESS", "output": 2})");
}

TEST(runpod_outbox, a_chunk_that_cannot_be_split_is_left_out) {
  outbox_script s;
  EXPECT_EQ(s.chunk("a", R"({"x":")" + std::string(chunk_bytes_max, 'x') + R"("})"), "");
  EXPECT_TRUE(s.logged("chunk_not_posted a"));
  EXPECT_EQ(s.chunk("a", "1"), R"(stream a {"output": 1})");
}

TEST(runpod_outbox, the_bytes_that_wait_for_a_job_are_bounded) {
  outbox_script s;
  const std::string large = '"' + std::string(900'000, 'x') + '"';
  std::size_t fit = 0;
  for (; fit < 1'000 && !s.logged("chunk_not_posted a"); ++fit) {
    s.chunk("a", large);
  }
  EXPECT_EQ(fit, outbox::waiting_bytes_max / 900'000 + 2) << "the last one goes over, one is out";
  s.posted("a");
  s.log.clear();
  s.chunk("a", "1");
  EXPECT_FALSE(s.logged("chunk_not_posted a")) << "one of them has left";
}

TEST(runpod_outbox, progress_that_was_posted_frees_no_room_for_chunks) {
  outbox_script s;
  s.chunk("a", "0");
  const std::string large = '"' + std::string(900'000, 'x') + '"';
  for (int i = 0; i < 5; ++i) {
    s.progress("a", large);
  }
  while (!s.logged("chunk_not_posted a")) {
    s.chunk("a", large);
  }
  for (int i = 0; i < 6; ++i) {
    s.posted("a"); // the small chunk and the progress
  }
  s.log.clear();
  s.chunk("a", large);
  EXPECT_TRUE(s.logged("chunk_not_posted a")) << "as many chunks wait as before";
}

TEST(runpod_outbox, newer_progress_replaces_older_progress_that_waits_for_long) {
  outbox_script s;
  for (int i = 0; i < 200; ++i) {
    s.progress("a", std::to_string(i));
  }
  std::string last;
  std::size_t posts = 0;
  for (std::string text = "first"; !text.empty(); ++posts) {
    last = text;
    text = s.posted("a");
  }
  EXPECT_EQ(last, R"(post a {"status": "IN_PROGRESS", "output": 199})");
  EXPECT_EQ(posts, outbox::waiting_posts_max / 100);
}

TEST(runpod_outbox, an_aggregated_result_contains_the_chunks) {
  session_options o;
  o.posts.aggregate_stream = true;
  outbox_script s{o};
  auto v = session_script::view("a", job_state::COMPLETED);
  deliver_result m{v, "a"};
  m.chunks = {chunk{"1"}, chunk{"2"}};
  EXPECT_EQ(s.delivers(m), R"(post a {"output": [1, 2]})");
  EXPECT_NE(s.last_call.url.find("isStream=true"), std::string::npos);

  outbox_script incomplete{o};
  m.whole = false;
  const auto error = incomplete.delivers(m);
  EXPECT_NE(error.find("too many chunks for one result"), std::string::npos) << error;
  EXPECT_EQ(incomplete.posted("a"), "a given up") << "the error was posted instead of the result";
}

TEST(runpod_outbox, the_reader_of_a_failed_stream_gets_the_error_first) {
  outbox_script s;
  s.chunk("a", "1");
  s.fails("a", errc::job_failed);
  const auto last = s.posted("a");
  EXPECT_EQ(last.rfind(R"(stream a {"output": {"error": )", 0), 0U) << last;
  const auto end = s.posted("a");
  EXPECT_EQ(end.rfind(R"(post a {"error": )", 0), 0U) << end;
}

TEST(runpod_outbox, a_result_that_failed_goes_back_to_the_queue) {
  outbox_script s;
  s.ends("a", "1");
  EXPECT_EQ(s.posted("a", samples::answer_after(503, "4")), "a again");
  EXPECT_EQ(s.last_posted.pause, 4s);
  EXPECT_EQ(s.last_posted.text, "status 503");
  EXPECT_EQ(s.pass(1h), "") << "the queue delivers it again";
  EXPECT_EQ(s.ends("a", "1"), R"(post a {"output": 1})");
  EXPECT_EQ(s.posted("a"), "a delivered");
}

TEST(runpod_outbox, a_result_that_the_platform_refuses_is_replaced_by_a_small_error) {
  outbox_script s;
  s.ends("a", "1");
  const auto error = s.posted("a", 413);
  EXPECT_NE(error.find("the platform refused the result: status 413"), std::string::npos) << error;
  EXPECT_TRUE(s.logged("result_replaced a"));
  EXPECT_EQ(s.posted("a", 200), "a given up");
}

TEST(runpod_outbox, a_job_that_the_platform_does_not_know_any_more_is_given_up) {
  for (const unsigned status : {404U, 410U}) {
    outbox_script s;
    s.ends("a", "1");
    EXPECT_EQ(s.posted("a", status), "a given up");
  }
}

TEST(runpod_outbox, a_result_beyond_the_platforms_limit_is_replaced) {
  outbox_script s;
  const auto text = s.ends("a", '"' + std::string(result_bytes_max, 'x') + '"');
  EXPECT_EQ(text.rfind(R"(post a {"error": )", 0), 0U);
  EXPECT_LT(text.size(), 1'000U);
}

TEST(runpod_outbox, a_refused_job_is_reported_here_and_tried_again_from_here) {
  outbox_script s;
  const auto report = s.refuses("r");
  EXPECT_EQ(report.rfind(R"(post r {"error": )", 0), 0U) << report;
  EXPECT_EQ(s.refuses("r"), "") << "it is being reported";
  EXPECT_EQ(s.posted("r", 503), "");
  EXPECT_EQ(s.pass(500ms), report);
  for (int i = 2; i < 20; ++i) {
    s.posted("r", 503);
    EXPECT_EQ(s.pass(30s), report) << i;
  }
  EXPECT_EQ(s.posted("r", 503), "") << "no result_posted: the queue does not know it";
  EXPECT_EQ(s.pass(1h), "");
}

TEST(runpod_outbox, a_job_that_is_given_again_after_its_refusal_is_a_new_one) {
  outbox_script s;
  s.refuses("r");
  s.posted("r", 503);
  EXPECT_EQ(s.accepts("r"), "") << "the platform wants its result now, no longer the refusal";
  EXPECT_EQ(s.pass(1h), "");
  EXPECT_EQ(s.ends("r", "1"), R"(post r {"output": 1})");
  EXPECT_EQ(s.posted("r"), "r delivered");
}

} // namespace
} // namespace tayfa::runpod::testing
