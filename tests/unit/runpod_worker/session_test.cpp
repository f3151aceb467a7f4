// When the session takes jobs and how many, when it pauses, what it stops, and how it ends.
#include "tests/unit/runpod_worker/session_script.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::runpod::testing {
namespace {

using namespace std::chrono_literals;

const auto nothing = samples::answer(204, "");

std::size_t times(const session_script& s, const std::string& line) {
  return static_cast<std::size_t>(std::count(s.log.begin(), s.log.end(), line));
}

TEST(runpod_session, takes_when_the_pod_serves_and_its_queue_has_named_its_jobs) {
  session_script s;
  EXPECT_EQ(s.slots(2), "");
  EXPECT_EQ(s.serve(), "ping") << "no queue";
  EXPECT_EQ(s.queue(), "");
  EXPECT_EQ(s.pass(1h), "") << "its jobs are not known: places may be used";
  EXPECT_EQ(s.knows({"a"}), "poll stops; take 1 busy");

  session_script other;
  other.slots(2);
  other.queue();
  EXPECT_EQ(other.knows({}), "") << "the pod does not serve";
  EXPECT_EQ(other.serve(), "ping; take 2; poll stops");
}

TEST(runpod_session, takes_as_many_jobs_as_there_are_free_places) {
  session_script s;
  EXPECT_EQ(s.start(5), "take 5; poll stops");
  EXPECT_EQ(s.brings({"a", "b"}), "submit a; submit b; take 3");
  EXPECT_EQ(s.accepts("a"), "") << "one take at a time";
  EXPECT_EQ(s.brings({"c", "d", "e"}), "submit c; submit d; submit e") << "no place is free";
  const auto text = s.refuses("c");
  EXPECT_EQ(text.rfind(R"(post c {"error": )", 0), 0U) << text;
  EXPECT_TRUE(text.ends_with("; take 1 busy")) << text;
}

TEST(runpod_session, a_configured_number_of_places_beats_the_slots) {
  session_options o;
  o.concurrency = 3;
  session_script s{o};
  EXPECT_EQ(s.start(1), "take 3; poll stops");
}

TEST(runpod_session, a_refresh_worker_takes_one_job_and_no_second) {
  session_options o;
  o.posts.refresh_worker = true;
  session_script s{o};
  EXPECT_EQ(s.start(4), "take 1; poll stops");
  EXPECT_EQ(s.brings({"a"}), "submit a");
  EXPECT_EQ(s.accepts("a"), "");
  EXPECT_EQ(s.ends("a", "1"), R"(post a {"output": 1, "stopPod": true})");
  EXPECT_EQ(s.posted("a"), "a delivered; stop pod: refresh_worker");
}

TEST(runpod_session, a_job_becomes_the_queues_with_all_that_came_with_it) {
  session_script s;
  s.start(1);
  s.takes(samples::answer(
      200, R"({"id":"a","input":{"x":1},"policy":{"ttl":20000},"s3Config":{"k":"v"}})"));
  const auto& job = s.last_submit;
  EXPECT_EQ(job.request.endpoint, "ep1");
  EXPECT_EQ(job.request.input.view(), R"({"x":1})");
  EXPECT_EQ(job.request.policy.ttl, 20s);
  EXPECT_EQ(job.request.s3_config, R"({"k":"v"})");
  EXPECT_EQ(job.request.origin, "a");
  EXPECT_FALSE(job.watch) << "the queue delivers the results of such jobs by itself";
}

TEST(runpod_session, a_job_that_is_given_twice_is_submitted_once) {
  session_script s;
  s.start(3);
  EXPECT_EQ(s.brings({"a", "a"}), "submit a; take 2");
  s.accepts("a");
  EXPECT_EQ(s.brings({"a"}), "take 2 busy");
  EXPECT_EQ(times(s, "job_given_twice a"), 1U) << "one answer names each job once";
  s.ends("a", "1");
  EXPECT_EQ(s.brings({"a"}), "submit a; take 2") << "it has ended: its queue knows what to do";
  EXPECT_EQ(s.accepts("a", job_state::COMPLETED), "") << "it has no place, as the take shows";
}

TEST(runpod_session, a_failed_take_is_tried_again_after_a_growing_pause) {
  session_script s;
  s.start(1);
  EXPECT_EQ(s.takes(s.unreachable()), "");
  EXPECT_EQ(s.pass(99ms), "");
  EXPECT_EQ(s.pass(1ms), "take 1");
  EXPECT_EQ(s.takes(samples::answer(500, "")), "");
  EXPECT_EQ(s.pass(199ms), "");
  EXPECT_EQ(s.pass(1ms), "take 1");
  for (int i = 0; i < 20; ++i) {
    s.takes(s.unreachable());
    s.pass(5s);
  }
  EXPECT_EQ(s.takes(s.unreachable()), "");
  EXPECT_EQ(s.pass(4'999ms), "");
  EXPECT_EQ(s.pass(1ms), "take 1") << "5 s at most";
  EXPECT_EQ(times(s, "take_failed"), 23U);
  EXPECT_EQ(times(s, "trouble counted"), 23U);
  EXPECT_EQ(s.brings({}), "") << "a 200 without jobs";
  s.pass(5s);
  s.brings({"a"});
  s.accepts("a");
  s.ends("a", "1");
  s.takes(s.unreachable());
  EXPECT_EQ(s.pass(100ms), "take 1") << "a job has come: the pauses begin anew";
}

TEST(runpod_session, a_platform_that_is_busy_names_the_pause) {
  session_script s;
  s.start(1);
  s.takes(samples::answer_after(429, "7"));
  EXPECT_EQ(s.pass(6'999ms), "");
  EXPECT_EQ(s.pass(1ms), "take 1");
}

TEST(runpod_session, an_empty_answer_is_asked_again_at_once_if_it_was_held) {
  session_script s;
  s.start(1);
  s.pass(50ms);
  EXPECT_EQ(s.takes(nothing), "take 1");
  s.pass(49ms);
  EXPECT_EQ(s.takes(nothing), "") << "that was no long poll";
  EXPECT_EQ(s.pass(100ms), "take 1");
}

TEST(runpod_session, a_take_is_held_for_its_time_and_then_dropped_once) {
  session_options o;
  o.take_timeout = 90s;
  o.stop_linger = 2s;
  session_script s{o};
  s.start(1);
  EXPECT_EQ(s.pass(89'999ms), "");
  EXPECT_EQ(s.pass(1ms), "drop take within 2000");
  EXPECT_EQ(s.pass(1h), "") << "its answer tells that it has ended";
  EXPECT_EQ(s.takes(s.dropped()), "take 1");
  EXPECT_EQ(times(s, "take_failed"), 0U);
}

TEST(runpod_session, what_a_dropped_take_still_brings_is_taken) {
  session_script s;
  s.start(1);
  EXPECT_EQ(s.drain(), "drop take within 2000");
  EXPECT_EQ(s.brings({"a"}), "submit a") << "not drained: the queue has not answered";
  EXPECT_EQ(s.accepts("a"), "drained");
  EXPECT_EQ(s.pass(1h), "") << "nothing is taken any more";
  EXPECT_EQ(s.ends("a", "1"), R"(post a {"output": 1})") << "results still leave";
}

TEST(runpod_session, drains_at_once_without_a_take_and_says_so_once) {
  session_script s;
  s.slots(1);
  s.queue();
  s.knows({});
  EXPECT_EQ(s.drain(), "drained");
  EXPECT_EQ(s.drain(), "");
  EXPECT_EQ(s.serve(), "ping; poll stops");
}

TEST(runpod_session, is_not_drained_before_the_new_queue_has_answered) {
  session_script s;
  s.start(2);
  s.brings({"a"});
  s.queue();
  s.drain();
  EXPECT_EQ(s.loses("a"), "");
  EXPECT_EQ(s.knows({}), "") << "its take is open";
  EXPECT_EQ(s.takes(s.dropped()), "drained");
}

TEST(runpod_session, a_new_queue_says_what_is_left_of_the_jobs) {
  session_script s;
  s.start(3);
  s.brings({"a", "b"});
  s.accepts("a");
  EXPECT_EQ(s.queue(), "");
  EXPECT_EQ(s.pass(1s), "");
  EXPECT_EQ(s.takes(s.dropped()), "") << "no take before it has answered";
  EXPECT_EQ(s.knows({"b"}), "take 2 busy") << "a has ended meanwhile: its place is free";
}

TEST(runpod_session, a_job_that_its_dying_queue_did_not_confirm_frees_its_place) {
  session_script s;
  s.start(1);
  s.brings({"a"});
  EXPECT_EQ(s.loses("a"), "");
  EXPECT_EQ(s.queue(), "");
  EXPECT_EQ(s.knows({}), "take 1") << "it was not committed";
}

TEST(runpod_session, stops_cancel_jobs_that_are_here) {
  session_script s;
  s.start(2);
  s.brings({"a", "b"});
  s.accepts("a");
  EXPECT_EQ(s.stops({"a", "b"}), "cancel a; cancel b; poll stops") << "b is being submitted";
  s.chunk("a", "1");
  EXPECT_EQ(s.cancelled("a"), "take 1");
  EXPECT_EQ(s.posted("a"), "") << "nothing more is posted of it";
  EXPECT_EQ(s.pass(1h), "drop take within 2000");
}

TEST(runpod_session, a_job_that_could_not_be_cancelled_keeps_its_place_and_its_posts) {
  session_script s;
  s.start(1);
  s.brings({"a"});
  s.accepts("a");
  s.stops({"a"});
  EXPECT_EQ(s.cancelled("a", job_state::COMPLETED), "") << "its result is on its way";
  EXPECT_EQ(s.ends("a", "1"), R"(post a {"output": 1}; take 1)");
}

TEST(runpod_session, a_stop_may_overtake_the_take_that_brings_its_job) {
  session_script s;
  s.start(3);
  EXPECT_EQ(s.stops({"a", "b"}), "poll stops");
  EXPECT_EQ(s.brings({"a"}), "take 3") << "stopped before it came";
  EXPECT_EQ(times(s, "job_stopped a"), 1U);
  EXPECT_EQ(s.brings({"a"}), "submit a; take 2") << "the platform gives it anew on purpose";
  s.pass(2'001ms);
  EXPECT_EQ(s.brings({"b"}), "submit b; take 1") << "the stop is too old";
}

TEST(runpod_session, stop_polls_go_on_while_there_are_jobs_or_the_pod_serves) {
  session_script s;
  s.slots(1);
  s.queue();
  EXPECT_EQ(s.knows({"a"}), "poll stops") << "the pod does not serve, but it has a job";
  s.ends("a", "1");
  s.pass(1s);
  EXPECT_EQ(s.stops_answered(nothing), "") << "neither";
  EXPECT_EQ(s.serve(), "ping a; take 1; poll stops");
  EXPECT_EQ(s.stops_answered(s.unreachable()), "");
  EXPECT_EQ(s.pass(99ms), "");
  EXPECT_EQ(s.pass(1ms), "poll stops");
  EXPECT_EQ(s.stops_answered(nothing), "") << "that was no long poll";
  EXPECT_EQ(s.pass(200ms), "poll stops");
}

TEST(runpod_session, a_stop_poll_that_is_not_understood_is_logged_once_until_that_changes) {
  session_script s;
  s.start(1);
  const auto poll = [&s](const result<outgoing_answer>& answer) {
    s.stops_answered(answer);
    s.pass(10s);
    return times(s, "stop_poll_remark");
  };
  EXPECT_EQ(poll(samples::answer(404, "")), 1U);
  EXPECT_EQ(poll(samples::answer(404, "")), 1U) << "as before";
  EXPECT_EQ(poll(samples::answer(200, R"({"jobsToStop":7})")), 2U);
  EXPECT_EQ(poll(samples::answer(200, R"({"jobsToStop":["a"]})")), 2U);
  EXPECT_EQ(poll(samples::answer(404, "")), 3U) << "it was understood meanwhile";
}

TEST(runpod_session, an_answer_to_an_earlier_sessions_take_is_read_but_ends_none) {
  session_options o;
  o.takes_before = 7;
  session_script s{o};
  s.start(2);
  EXPECT_EQ(s.take, 8U);
  EXPECT_EQ(s.takes(samples::answer(200, R"([{"id":"a","input":1}])"), 7), "submit a")
      << "its job is taken; the open take goes on";
  EXPECT_EQ(s.takes(nothing, 7), "") << "and it says nothing about how long the open one is held";
  s.pass(1s);
  EXPECT_EQ(s.takes(nothing), "take 1");
}

TEST(runpod_session, pings_name_the_jobs_that_run_and_those_whose_end_is_being_posted) {
  session_script s;
  s.start(3);
  s.brings({"a", "b", "c"});
  EXPECT_EQ(s.ping(), "ping") << "the queue has none of them yet";
  s.accepts("a");
  s.accepts("b");
  s.refuses("c");
  s.ends("b", "1");
  EXPECT_EQ(s.ping(), "ping a%2Cc%2Cb");
  s.posted("b");
  s.posted("c");
  EXPECT_EQ(s.ping(), "ping a");
  s.did(s.tested.ping_answered(samples::answer(503, "")));
  EXPECT_EQ(times(s, "trouble counted"), 1U);
  s.did(s.tested.ping_answered(samples::answer(200, "")));
  EXPECT_EQ(times(s, "trouble counted"), 1U);
}

TEST(runpod_session, a_worker_without_an_id_of_the_platforms_sends_no_pings) {
  session_script s{{}, samples::environment_but({"RUNPOD_POD_ID"})};
  s.slots(1);
  s.queue();
  s.knows({});
  EXPECT_EQ(s.serve(), "take 1; poll stops");
}

} // namespace
} // namespace tayfa::runpod::testing
