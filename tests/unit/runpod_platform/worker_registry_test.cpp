// The ordinary life of remote workers: takes, jobs, results, stops.
#include "tests/unit/runpod_platform/registry_script.hpp"

namespace tayfa::remote::testing {
namespace {

using std::chrono::seconds;
using what = registry_script::what;

TEST(worker_registry, a_take_offers_the_worker_and_is_answered_with_its_job) {
  registry_script s;
  EXPECT_EQ(s.take(1, "a"), "a came; offer w0.1 x1");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j"), "poll 1 j={}; pause w0.1");
  EXPECT_EQ(s.left(1), "w0.1 started j/1");
  EXPECT_EQ(s.post("a", "j", what::completed, "42"), "w0.1 completed j/1 42");
  EXPECT_EQ(s.registry.summaries(s.now).front().completed, 1U);
}

TEST(worker_registry, the_queue_learns_of_a_worker_by_offers) {
  registry_script s;
  const auto then = s.registry.take(s.now, 1, {{"tayfa", "a", "L4"}, 3, true, false});
  const auto& facts = std::get<worker_ready>(then.at(1)).facts;
  EXPECT_EQ(facts.capacity, 3U);
  EXPECT_EQ(facts.name, "a");
  EXPECT_EQ(facts.endpoint, "tayfa");
  EXPECT_EQ(facts.device, "L4");
  EXPECT_EQ(facts.lease, seconds{30});
  EXPECT_TRUE(facts.continuous);
}

TEST(worker_registry, where_large_outputs_may_go_is_passed_on) {
  registry_script s;
  s.take(1, "a");
  protocol::assign m;
  m.attempt = s.attempt("j");
  m.s3_config = "{}";
  const auto then = s.registry.assigned(s.now, s.ref(0, 1), 1, {m});
  EXPECT_EQ(std::get<hand_out>(then.front()).jobs.front().s3_config, "{}");
}

TEST(worker_registry, one_name_in_two_endpoints_is_two_workers) {
  registry_script s;
  s.take(1, "a");
  const auto then = s.words(s.registry.take(s.now, 2, {{"other", "a", ""}, 1, false, false}));
  EXPECT_EQ(then, "a came; offer w1.2 x1");
}

TEST(worker_registry, a_batch_gets_all_that_one_decision_gives_it_in_one_answer) {
  registry_script s;
  EXPECT_EQ(s.take(1, "a", 3), "a came; offer w0.1 x3");
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j1", "j2", "j3"}),
            "poll 1 batch j1={} j2={} j3={}; pause w0.1");
}

TEST(worker_registry, what_is_given_beyond_its_wish_waits_for_its_next_take) {
  registry_script s;
  s.take(1, "a", 2);
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j1", "j2", "j3"}), "poll 1 batch j1={} j2={}; pause w0.1");
  EXPECT_EQ(s.take(2, "a"), "poll 2 j3={}");
}

TEST(worker_registry, a_batch_does_not_wait_to_be_full) {
  registry_script s;
  s.take(1, "a", 3);
  EXPECT_EQ(s.assign(s.ref(0, 1), "j1"), "poll 1 batch j1={}; pause w0.1");
  EXPECT_EQ(s.take(2, "a", 2), "offer w0.1 x3");
}

TEST(worker_registry, an_offer_says_which_hand_over_it_knows_of) {
  registry_script s;
  const auto known = [&](poll_id poll) {
    const auto then = s.registry.take(s.now, poll, {s.place("a"), 1, false, false});
    return std::get<worker_ready>(then.back()).facts.hand_overs;
  };
  EXPECT_EQ(known(1), 0U);
  const auto then = s.registry.assigned(s.now, s.ref(0, 1), 7, {});
  EXPECT_EQ(text_of(then), "offer w0.1 x1") << "nothing was left of it: the take waits on";
  EXPECT_EQ(std::get<worker_ready>(then.front()).facts.hand_overs, 7U);
  EXPECT_EQ(known(2), 7U);
}

TEST(worker_registry, the_room_that_is_offered_shrinks_before_an_attempt_ends) {
  registry_script s;
  s.running("a", "j1");
  EXPECT_EQ(s.take(2, "a"), "offer w0.1 x2");
  EXPECT_EQ(s.post("a", "j1"), "offer w0.1 x1; w0.1 completed j1/1 1");
}

TEST(worker_registry, two_takes_of_one_worker_are_served_oldest_first) {
  registry_script s;
  s.take(1, "a");
  EXPECT_EQ(s.take(2, "a"), "offer w0.1 x2");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j1"), "poll 1 j1={}; offer w0.1 x2");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j2"), "poll 2 j2={}; pause w0.1");
}

TEST(worker_registry, a_third_take_ends_the_oldest) {
  registry_script s;
  s.take(1, "a");
  s.take(2, "a");
  EXPECT_EQ(s.take(3, "a"), "poll 1 nothing");
}

TEST(worker_registry, a_take_is_held_and_then_answered_with_nothing) {
  registry_script s;
  s.take(1, "a");
  s.pass(seconds{20} - milliseconds{1});
  EXPECT_EQ(s.expire(), "");
  s.pass(milliseconds{1});
  EXPECT_EQ(s.expire(), "poll 1 nothing; pause w0.1");
  EXPECT_EQ(s.take(2, "a"), "offer w0.1 x1");
}

TEST(worker_registry, later_attempts_go_under_another_id) {
  registry_script s;
  s.take(1, "a");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j", 2), "poll 1 j-r2={}; pause w0.1");
  s.left(1);
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.post("a", "j-r2"), "w0.1 completed j/2 1");
}

TEST(worker_registry, ids_that_read_alike_are_kept_apart) {
  registry_script s;
  s.take(1, "a", 2);
  EXPECT_EQ(s.hand_over(s.ref(0, 1), {s.attempt("j-r2"), s.attempt("j", 2)}),
            "poll 1 batch j-r2={} j-r2-r={}; pause w0.1");
  s.left(1);
  EXPECT_EQ(s.post("a", "j-r2-r"), "w0.1 completed j/2 1");
}

TEST(worker_registry, progress_chunks_and_pings_are_numbered) {
  registry_script s;
  s.running("a", "j");
  EXPECT_EQ(s.post("a", "j", what::progress, "10"), "w0.1 progress j/1 #1 10");
  EXPECT_EQ(s.post("a", "j", what::progress, "20"), "w0.1 progress j/1 #2 20");
  EXPECT_EQ(s.chunk("a", "j", "x"), "w0.1 partial j/1 #1 x");
  EXPECT_EQ(s.chunk("a", "j", "y"), "w0.1 partial j/1 #2 y");
  EXPECT_EQ(s.ping("a", {"j"}), "w0.1 stepped j/1 #1");
  EXPECT_EQ(s.ping("a", {"j", "j"}), "w0.1 stepped j/1 #2");
  EXPECT_EQ(s.ping("a"), "");
}

TEST(worker_registry, an_error_of_the_handler_is_the_jobs) {
  registry_script s;
  s.running("a", "j");
  EXPECT_EQ(s.post("a", "j", what::failed, "broken"), "w0.1 failed j/1 job_failed");
}

TEST(worker_registry, a_long_error_is_cut) {
  registry_script s;
  s.running("a", "j");
  api::worker_result m;
  m.from = s.place("a");
  m.job = "j";
  m.kind = what::failed;
  m.error = std::string(1 << 20, 'e');
  const auto v = s.registry.posted(s.now, m);
  const auto& end = std::get<protocol::finished>(std::get<attempt_reported>(v.then.front()).body);
  EXPECT_LE(end.text.size(), worker_registry::error_max);
}

TEST(worker_registry, a_result_may_come_before_the_report_that_the_answer_left) {
  registry_script s;
  s.take(1, "a");
  s.assign(s.ref(0, 1), "j");
  EXPECT_EQ(s.post("a", "j"), "w0.1 started j/1; w0.1 completed j/1 1");
  EXPECT_EQ(s.left(1, false), "");
}

TEST(worker_registry, a_revoked_job_is_stopped_and_then_over) {
  registry_script s;
  s.running("a", "j");
  EXPECT_EQ(s.stops(2, "a"), "");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "poll 2 stop j");
  EXPECT_EQ(s.left(2), "w0.1 cancelled j/1");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
}

TEST(worker_registry, a_stop_waits_for_the_stop_poll) {
  registry_script s;
  s.running("a", "j");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "");
  EXPECT_EQ(s.stops(2, "a"), "poll 2 stop j");
  EXPECT_EQ(s.stops(3, "a"), "");
  EXPECT_EQ(s.left(2, false), "poll 3 stop j");
  EXPECT_EQ(s.left(3), "w0.1 cancelled j/1");
}

TEST(worker_registry, a_stop_poll_is_held_and_then_answered_with_nothing) {
  registry_script s;
  s.stops(1, "a");
  s.pass(seconds{20});
  EXPECT_EQ(s.expire(), "poll 1 nothing");
}

TEST(worker_registry, without_a_stop_poll_a_revoked_job_ends_with_its_result) {
  registry_script s;
  s.running("a", "j");
  s.revoke(s.ref(0, 1), "j");
  EXPECT_EQ(s.post("a", "j", what::progress), "job_not_found");
  EXPECT_EQ(s.chunk("a", "j", "x"), "job_not_found");
  EXPECT_EQ(s.post("a", "j"), "job_not_found; w0.1 cancelled j/1");
}

TEST(worker_registry, without_a_stop_poll_a_revoked_job_ends_with_a_ping_without_it) {
  registry_script s;
  s.running("a", "j");
  s.revoke(s.ref(0, 1), "j");
  EXPECT_EQ(s.ping("a"), "") << "this ping may have been made before it had the job";
  s.pass(seconds{10});
  EXPECT_EQ(s.ping("a", {"j"}), "") << "nothing renews it any more";
  EXPECT_EQ(s.ping("a"), "w0.1 cancelled j/1");
}

TEST(worker_registry, a_job_that_is_revoked_before_it_leaves_is_not_handed_out) {
  registry_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  s.expire(); // the take is over
  s.assign(s.ref(0, 1), "j");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "w0.1 cancelled j/1");
  EXPECT_EQ(s.take(2, "a"), "offer w0.1 x1");
}

TEST(worker_registry, a_job_that_is_revoked_while_it_leaves_is_stopped_when_it_has_left) {
  registry_script s;
  s.stops(9, "a");
  s.take(1, "a");
  s.assign(s.ref(0, 1), "j");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "");
  EXPECT_EQ(s.left(1), "poll 9 stop j");
}

TEST(worker_registry, nothing_is_offered_before_the_pod_serves) {
  registry_script s{{}, false};
  EXPECT_EQ(s.take(1, "a"), "a came");
  EXPECT_EQ(s.words(s.registry.serve(s.now)), "offer w0.1 x1");
}

TEST(worker_registry, lines_say_how_the_workers_stand) {
  registry_script s;
  s.running("b", "j");
  s.ping("a");
  s.take(2, "a", 4);
  s.pass(seconds{3});
  s.ping("b", {"j"});
  const auto lines = s.registry.summaries(s.now);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].name, "a");
  EXPECT_EQ(lines[0].version, "1.12.0");
  EXPECT_EQ(lines[0].wanted, 4U);
  EXPECT_EQ(lines[0].silent, seconds{3});
  EXPECT_EQ(lines[1].jobs, std::vector{job_id{"j"}});
  EXPECT_EQ(lines[1].device, "L4");
  EXPECT_EQ(s.registry.count().idle, 1U);
  EXPECT_EQ(s.registry.count().running, 1U);
}

} // namespace
} // namespace tayfa::remote::testing
