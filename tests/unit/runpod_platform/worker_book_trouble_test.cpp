// Lost answers, silence, unknown workers, restarts: nothing is lost, and no worker touches
// another's attempts.
#include "tests/unit/runpod_platform/book_script.hpp"

namespace tayfa::remote::testing {
namespace {

using std::chrono::seconds;
using what = book_script::what;

TEST(worker_book, jobs_whose_answer_did_not_leave_go_back_at_once) {
  book_script s;
  s.take(1, "a", 2);
  s.assign_all(s.ref(0, 1), {"j1", "j2"});
  EXPECT_EQ(s.left(1, false), "w0.1 failed j1/1 unavailable; w0.1 failed j2/1 unavailable");
  EXPECT_EQ(s.left(1, false), "");
}

TEST(worker_book, a_revoked_job_whose_answer_did_not_leave_is_over) {
  book_script s;
  s.take(1, "a");
  s.assign(s.ref(0, 1), "j");
  s.revoke(s.ref(0, 1), "j");
  EXPECT_EQ(s.left(1, false), "w0.1 cancelled j/1");
}

TEST(worker_book, a_client_that_left_its_poll_wants_nothing_any_more) {
  book_script s;
  s.take(1, "a");
  EXPECT_EQ(s.gone(1), "pause w0.1");
  EXPECT_EQ(s.gone(1), "");
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j", "k"}),
            "pause w0.1; w0.1 failed j/1 unavailable; w0.1 failed k/1 unavailable");
}

TEST(worker_book, what_comes_just_after_a_take_was_held_long_enough_waits_for_the_next) {
  book_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  EXPECT_EQ(s.expire(), "poll 1 nothing; pause w0.1");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j"), "pause w0.1");
  s.pass(milliseconds{499});
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.take(2, "a"), "poll 2 j={}");
}

TEST(worker_book, what_no_take_comes_for_goes_back) {
  book_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  s.expire();
  s.assign(s.ref(0, 1), "j");
  s.pass(milliseconds{500});
  EXPECT_EQ(s.expire(), "w0.1 failed j/1 unavailable");
}

TEST(worker_book, a_silent_worker_leaves_and_its_slot_is_used_again) {
  book_script s;
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

TEST(worker_book, the_smallest_free_slot_is_used_first) {
  book_script s;
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

TEST(worker_book, polls_of_a_worker_do_not_keep_it) {
  book_limits limits;
  limits.hold = seconds{60};
  book_script s{limits};
  s.take(1, "a");
  s.stops(2, "a");
  s.pass(seconds{30});
  EXPECT_EQ(s.expire(), "a left; poll 1 nothing; poll 2 nothing; leave w0.1 lease_expired");
  EXPECT_EQ(s.gone(1), "");
  EXPECT_EQ(s.book.next_deadline(), std::nullopt);
}

TEST(worker_book, an_unfit_worker_leaves_with_what_it_holds) {
  book_script s;
  s.running("a", "j");
  s.take(2, "a");
  EXPECT_EQ(s.ping("a", {}, "gpu: dead"), "a unfit; poll 2 nothing; leave w0.1 unfit");
  EXPECT_FALSE(s.book.lines(s.now).front().healthy);
  EXPECT_EQ(s.book.count().unhealthy, 1U);
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.take(3, "a"), "offer w0.2 x1") << "another process of this name";
  EXPECT_TRUE(s.book.lines(s.now).front().healthy);
}

TEST(worker_book, only_the_holder_may_bring_a_result) {
  book_script s;
  s.running("a", "j");
  s.take(2, "b");
  EXPECT_EQ(s.post("b", "j"), "job_not_found");
  EXPECT_EQ(s.chunk("b", "j", "x"), "job_not_found");
  EXPECT_EQ(s.post("nobody", "j"), "job_not_found");
  EXPECT_EQ(s.ping("b", {"j"}), "");
  EXPECT_EQ(s.book.refused(), 3U);
  EXPECT_EQ(s.post("a", "j"), "w0.1 completed j/1 1");
}

TEST(worker_book, a_job_that_was_not_handed_out_cannot_be_guessed) {
  book_script s;
  s.take(1, "a");
  s.pass(seconds{20});
  s.expire();
  s.assign(s.ref(0, 1), "j");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.ping("a", {"j"}), "");
}

TEST(worker_book, what_a_worker_is_at_without_holding_it_is_stopped) {
  book_script s;
  s.stops(1, "a");
  EXPECT_EQ(s.ping("a", {"old", "not an id"}), "poll 1 stop old");
  s.left(1);
  EXPECT_EQ(s.stops(2, "a"), "");
  EXPECT_EQ(s.ping("a", {"old"}), "poll 2 stop old") << "a stop may be lost within the worker";
  s.left(2, false);
  EXPECT_EQ(s.ping("a"), "");
  EXPECT_EQ(s.stops(3, "a"), "") << "it is not at it any more";
}

TEST(worker_book, an_attempt_of_which_nothing_is_known_is_over_when_revoked) {
  book_script s;
  s.take(1, "a");
  EXPECT_EQ(s.revoke(s.ref(0, 1), "j"), "w0.1 cancelled j/1");
}

TEST(worker_book, words_of_another_incarnation_change_nothing) {
  book_script s;
  s.take(1, "a");
  EXPECT_EQ(s.assign(s.ref(0, 7), "j"), "");
  EXPECT_EQ(s.assign(s.ref(3, 1), "j"), "");
  EXPECT_EQ(s.revoke(s.ref(0, 7), "j"), "");
}

TEST(worker_book, an_attempt_is_not_taken_twice) {
  book_script s;
  s.take(1, "a", 2);
  EXPECT_EQ(s.assign_all(s.ref(0, 1), {"j", "j"}), "poll 1 batch j={}; pause w0.1");
}

TEST(worker_book, a_new_queue_is_offered_the_workers_and_nobody_wants_their_results) {
  book_script s;
  s.running("a", "j");
  s.take(2, "a");
  s.stops(3, "a");
  EXPECT_EQ(s.words(s.book.queue_restarted(s.now)), "offer w0.2 x1; poll 3 stop j");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
  EXPECT_EQ(s.assign(s.ref(0, 1), "k"), "") << "of the old queue";
  EXPECT_EQ(s.assign(s.ref(0, 2), "j", 2), "poll 2 j-r2={}; pause w0.2");
}

TEST(worker_book, a_new_owner_knows_no_polls) {
  book_script s;
  s.running("a", "j");
  s.take(2, "a");
  EXPECT_EQ(s.words(s.book.owner_restarted(s.now)), "leave w0.1 unavailable");
  EXPECT_EQ(s.gone(2), "");
  s.book.serve(s.now);
  EXPECT_EQ(s.take(3, "a"), "offer w0.2 x1");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
}

TEST(worker_book, a_stopping_pod_hands_out_nothing_and_takes_results) {
  book_script s;
  s.running("a", "j");
  s.take(2, "a");
  s.take(3, "b");
  EXPECT_EQ(s.words(s.book.stop(s.now)), "poll 2 nothing; pause w0.1; poll 3 nothing; pause w1.2");
  EXPECT_EQ(s.take(4, "b"), "poll 4 rate_limited");
  EXPECT_EQ(s.assign(s.ref(1, 2), "l"), "pause w1.2; w1.2 failed l/1 unavailable");
  s.stops(5, "a");
  EXPECT_EQ(s.post("a", "j"), "w0.1 completed j/1 1");
  EXPECT_EQ(s.words(s.book.close()), "poll 5 nothing");
}

TEST(worker_book, more_workers_than_it_may_know_are_turned_away) {
  book_limits limits;
  limits.workers_max = 1;
  book_script s{limits};
  s.take(1, "a");
  EXPECT_EQ(s.take(2, "b"), "poll 2 rate_limited");
  EXPECT_EQ(s.stops(3, "b"), "poll 3 rate_limited");
  EXPECT_EQ(s.ping("b"), "rate_limited");
  EXPECT_EQ(s.book.size(), 1U);
}

TEST(worker_book, a_worker_cannot_want_without_bound) {
  book_script s;
  EXPECT_EQ(s.take(1, "a", 4'000'000'000), "a came; offer w0.1 x1000");
  EXPECT_EQ(s.take(2, "a"), "poll 2 rate_limited");
}

TEST(worker_book, a_ping_cannot_fill_the_memory) {
  book_script s;
  std::vector<std::string> ids;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back("x" + std::to_string(i));
  }
  s.ping("a", ids);
  const auto told = s.book.poll_stops(s.now, 1, {s.place("a")});
  EXPECT_EQ(std::get<tell_stops>(told.front()).jobs.size(), worker_book::strays_max);
}

TEST(worker_book, the_next_deadline_is_the_earliest_of_all) {
  book_script s;
  EXPECT_EQ(s.book.next_deadline(), std::nullopt);
  s.ping("a");
  EXPECT_EQ(s.book.next_deadline(), s.now + seconds{30});
  s.take(1, "b");
  EXPECT_EQ(s.book.next_deadline(), s.now + seconds{20});
  s.assign_all(s.ref(1, 1), {"j", "k"});
  EXPECT_EQ(s.book.next_deadline(), s.now + milliseconds{500}) << "k is more than it asked for";
  s.take(2, "b");
  EXPECT_EQ(s.book.next_deadline(), s.now + seconds{30});
}

} // namespace
} // namespace tayfa::remote::testing
