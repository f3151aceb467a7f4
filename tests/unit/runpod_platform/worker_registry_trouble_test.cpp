// Lost answers, silence, unknown workers, restarts: nothing is lost, and no worker touches
// another's attempts.
#include "tests/unit/runpod_platform/registry_script.hpp"

namespace tayfa::remote::testing {
namespace {

using std::chrono::seconds;
using what = registry_script::what;

TEST(worker_registry, jobs_whose_answer_did_not_leave_go_back_at_once) {
  registry_script s;
  s.take(1, "a", 2);
  s.assign_all(s.ref(0, 1), {"j1", "j2"});
  EXPECT_EQ(s.left(1, false), "w0.1 failed j1/1 unavailable; w0.1 failed j2/1 unavailable");
  EXPECT_EQ(s.left(1, false), "");
}

TEST(worker_registry, a_revoked_job_whose_answer_did_not_leave_is_over) {
  registry_script s;
  s.take(1, "a");
  s.assign(s.ref(0, 1), "j");
  s.revoke(s.ref(0, 1), "j");
  EXPECT_EQ(s.left(1, false), "w0.1 cancelled j/1");
}

TEST(worker_registry, a_client_that_left_its_poll_wants_nothing_any_more) {
  registry_script s;
  s.take(1, "a");
  EXPECT_EQ(s.gone(1), "pause w0.1");
  EXPECT_EQ(s.gone(1), "");
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j", "k"}),
            "pause w0.1; w0.1 failed j/1 unavailable; w0.1 failed k/1 unavailable");
}

TEST(worker_registry, what_comes_just_after_a_take_was_held_long_enough_waits_for_the_next) {
  registry_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  EXPECT_EQ(s.expire(), "poll 1 nothing; pause w0.1");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j"), "pause w0.1");
  s.pass(milliseconds{499});
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.take(2, "a"), "poll 2 j={}");
}

TEST(worker_registry, what_no_take_comes_for_goes_back) {
  registry_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  s.expire();
  s.assign(s.ref(0, 1), "j");
  s.pass(milliseconds{500});
  EXPECT_EQ(s.expire(), "w0.1 failed j/1 unavailable");
}

TEST(worker_registry, a_silent_worker_leaves_and_its_slot_is_used_again) {
  registry_script s;
  s.running("a", "j");
  s.take(2, "b");
  s.pass(seconds{20});
  s.ping("b");
  s.expire();
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "a left; leave w0.1 lease_expired");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.take(3, "c"), "c came; offer w0.3 x1");
}

TEST(worker_registry, the_smallest_free_slot_is_used_first) {
  registry_script s;
  for (const auto* name : {"a", "b", "c"}) {
    s.ping(name);
  }
  s.pass(seconds{29});
  s.ping("b");
  s.pass(seconds{1});
  s.expire(); // a and c have left
  s.take(1, "d");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j"), "poll 1 j={}; pause w0.1") << "d is in the slot of a";
}

TEST(worker_registry, polls_of_a_worker_do_not_keep_it) {
  registry_limits limits;
  limits.hold = seconds{60};
  registry_script s{limits};
  s.take(1, "a");
  s.stops(2, "a");
  s.pass(seconds{30});
  EXPECT_EQ(s.expire(), "a left; poll 1 nothing; poll 2 nothing; leave w0.1 lease_expired");
  EXPECT_EQ(s.gone(1), "");
  EXPECT_EQ(s.registry.next_deadline(), std::nullopt);
}

TEST(worker_registry, an_unfit_worker_leaves_with_what_it_holds) {
  registry_script s;
  s.running("a", "j");
  s.take(2, "a");
  EXPECT_EQ(s.ping("a", {}, "gpu: dead"), "a unfit; poll 2 nothing; leave w0.1 unfit");
  EXPECT_FALSE(s.registry.summaries(s.now).front().healthy);
  EXPECT_EQ(s.registry.count().unhealthy, 1U);
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.take(3, "a"), "offer w0.2 x1") << "another process of this name";
  EXPECT_TRUE(s.registry.summaries(s.now).front().healthy);
}

TEST(worker_registry, only_the_holder_may_bring_a_result) {
  registry_script s;
  s.running("a", "j");
  s.take(2, "b");
  EXPECT_EQ(s.post("b", "j"), "job_not_found");
  EXPECT_EQ(s.chunk("b", "j", "x"), "job_not_found");
  EXPECT_EQ(s.post("nobody", "j"), "job_not_found");
  EXPECT_EQ(s.ping("b", {"j"}), "");
  EXPECT_EQ(s.registry.refused(), 3U);
  EXPECT_EQ(s.post("a", "j"), "w0.1 completed j/1 1");
}

TEST(worker_registry, a_job_that_was_not_handed_out_cannot_be_guessed) {
  registry_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  s.expire();
  s.assign(s.ref(0, 1), "j");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.ping("a", {"j"}), "");
}

TEST(worker_registry, what_a_worker_is_at_without_holding_it_is_stopped) {
  registry_script s;
  s.stops(1, "a");
  EXPECT_EQ(s.ping("a", {"old", "not an id"}), "poll 1 stop old");
  s.left(1);
  EXPECT_EQ(s.stops(2, "a"), "");
  EXPECT_EQ(s.ping("a", {"old"}), "poll 2 stop old") << "a stop may be lost within the worker";
  s.left(2, false);
  EXPECT_EQ(s.ping("a"), "");
  EXPECT_EQ(s.stops(3, "a"), "") << "it is not at it any more";
}

TEST(worker_registry, an_attempt_of_which_nothing_is_known_is_over_when_revoked) {
  registry_script s;
  s.take(1, "a");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "w0.1 cancelled j/1");
}

TEST(worker_registry, words_of_another_incarnation_change_nothing) {
  registry_script s;
  s.take(1, "a");
  EXPECT_EQ(s.assign(s.ref(0, 7), "j"), "");
  EXPECT_EQ(s.assign(s.ref(3, 1), "j"), "");
  EXPECT_EQ(s.revoke(s.ref(0, 7), "j"), "");
}

TEST(worker_registry, an_attempt_is_not_taken_twice) {
  registry_script s;
  s.take(1, "a", 2);
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j", "j"}), "poll 1 batch j={}; pause w0.1");
}

TEST(worker_registry, a_stopping_pod_hands_out_nothing_and_takes_results) {
  registry_script s;
  s.running("a", "j");
  s.take(2, "a");
  s.take(3, "b");
  EXPECT_EQ(s.words(s.registry.stop(s.now)),
            "poll 2 nothing; pause w0.1; poll 3 nothing; pause w1.2");
  EXPECT_EQ(s.take(4, "b"), "poll 4 rate_limited");
  EXPECT_EQ(s.assign(s.ref(1, 2), "l"), "pause w1.2; w1.2 failed l/1 unavailable");
  s.stops(5, "a");
  EXPECT_EQ(s.post("a", "j"), "w0.1 completed j/1 1");
  EXPECT_EQ(s.words(s.registry.close()), "poll 5 nothing");
}

TEST(worker_registry, more_workers_than_it_may_know_are_rejected) {
  registry_limits limits;
  limits.workers_max = 1;
  registry_script s{limits};
  s.take(1, "a");
  EXPECT_EQ(s.take(2, "b"), "poll 2 rate_limited");
  EXPECT_EQ(s.stops(3, "b"), "poll 3 rate_limited");
  EXPECT_EQ(s.ping("b"), "rate_limited");
  EXPECT_EQ(s.registry.size(), 1U);
}

TEST(worker_registry, a_worker_cannot_want_without_bound) {
  registry_script s;
  EXPECT_EQ(s.take(1, "a", 4'000'000'000), "a came; offer w0.1 x1000");
  EXPECT_EQ(s.take(2, "a"), "poll 2 rate_limited");
}

TEST(worker_registry, a_ping_cannot_fill_the_memory) {
  registry_script s;
  std::vector<std::string> ids;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back("x" + std::to_string(i));
  }
  s.ping("a", ids);
  const auto stops = s.registry.poll_stops(s.now, 1, {s.place("a")});
  EXPECT_EQ(std::get<send_stops>(stops.front()).jobs.size(), worker_registry::orphans_max);
}

TEST(worker_registry, the_next_deadline_is_the_earliest_of_all) {
  registry_script s;
  EXPECT_EQ(s.registry.next_deadline(), std::nullopt);
  s.ping("a");
  EXPECT_EQ(s.registry.next_deadline(), s.now + seconds{30});
  s.take(1, "b");
  EXPECT_EQ(s.registry.next_deadline(), s.now + seconds{20});
  s.assign_all(s.ref(1, 1), {"j", "k"});
  EXPECT_EQ(s.registry.next_deadline(), s.now + milliseconds{500}) << "k is more than it asked for";
  s.take(2, "b");
  EXPECT_EQ(s.registry.next_deadline(), s.now + seconds{30});
}

} // namespace
} // namespace tayfa::remote::testing
