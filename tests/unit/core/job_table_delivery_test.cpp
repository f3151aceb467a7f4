// Jobs taken from a platform: their pending deliveries and the time of these, and jobs that the
// platform stops or gives again.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

job_limits short_lived() {
  job_limits l;
  l.ttl = seconds{60};
  return l;
}

/// The delivery among these effects; there must be one.
deliver_result delivery_of(const effects& all) {
  for (const auto& e : all) {
    if (const auto* o = std::get_if<deliver_result>(&e)) {
      return *o;
    }
  }
  ADD_FAILURE() << "nothing is delivered: " << text_of(all);
  return {};
}

// ---- the end of a job of a platform -------------------------------------------------------------

TEST(job_table_delivery, its_end_begins_a_delivery_and_no_webhook_is_called) {
  job_script s;
  s.join(0);
  auto r = job_script::taken("a");
  r.webhook = "https://h/";
  s.submit("a", r);
  EXPECT_EQ(s.complete(w0, attempt("a", 1), "42"),
            "a COMPLETED (finished); deliver p-a of a COMPLETED try 1");
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"a"}));
  EXPECT_EQ(s.posted("a", true), "");
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"}));
  EXPECT_EQ(s.view("a").output.view(), "42") << "kept like every other";
}

TEST(job_table_delivery, every_kind_of_end_is_delivered) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.take("fails");
  EXPECT_THAT(s.failed(w0, attempt("fails", 1), errc::job_failed, "no"),
              HasSubstr("deliver p-fails of fails FAILED try 1"));
  s.take("loses");
  EXPECT_THAT(s.stopped(w0, attempt("loses", 1)),
              HasSubstr("deliver p-loses of loses FAILED try 1"));
  s.take("slow");
  s.take("late");
  EXPECT_THAT(s.cancel("late"), HasSubstr("deliver p-late of late CANCELLED try 1"))
      << "a client here ended it; the platform does not know";
  s.pass(seconds{600});
  EXPECT_THAT(s.expire(), HasSubstr("deliver p-slow of slow TIMED_OUT try 1"));
  s.take("waits");
  EXPECT_THAT(s.purge(), HasSubstr("deliver p-waits of waits CANCELLED try 1"));
}

TEST(job_table_delivery,
     the_result_comes_with_the_stream_the_wish_for_a_fresh_worker_and_its_time) {
  job_script s{short_lived()};
  s.join(0);
  s.take("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  s.partial(w0, attempt("a", 1), 2, "y");
  s.pass(seconds{10});
  protocol::finished f;
  f.attempt = attempt("a", 1);
  f.output = shared_text{"7"};
  f.refresh_worker = true;
  const auto o = delivery_of(s.table.finished(s.now, w0, f).consequences);
  EXPECT_EQ(o.origin, "p-a");
  EXPECT_EQ(o.view.output.view(), "7");
  ASSERT_EQ(o.chunks.size(), 2u);
  EXPECT_EQ(o.chunks[1].view(), "y");
  EXPECT_TRUE(o.refresh);
  EXPECT_EQ(o.number, 1u);
  EXPECT_EQ(o.left, minutes{10}) << "its time to live is shorter";
}

TEST(job_table_delivery, a_stream_that_may_have_lost_chunks_says_so) {
  job_limits limits;
  limits.chunks_max = 2;
  job_script s{limits};
  s.join(0);
  s.take("short");
  s.partial(w0, attempt("short", 1), 1, "x");
  protocol::finished f;
  f.attempt = attempt("short", 1);
  EXPECT_TRUE(delivery_of(s.table.finished(s.now, w0, f).consequences).whole);
  s.take("long");
  for (std::uint32_t i = 1; i <= 3; ++i) {
    s.partial(w0, attempt("long", 1), i, "x");
  }
  f.attempt = attempt("long", 1);
  EXPECT_FALSE(delivery_of(s.table.finished(s.now, w0, f).consequences).whole);
}

TEST(job_table_delivery,
     it_is_delivered_as_long_as_it_may_live_and_ten_minutes_after_its_end_at_least) {
  job_script s; // a day to live
  s.join(0);
  s.take("a");
  protocol::finished f;
  f.attempt = attempt("a", 1);
  EXPECT_EQ(delivery_of(s.table.finished(s.now, w0, f).consequences).left, hours{24});
}

TEST(job_table_delivery, it_never_comes_on_the_dead_list_and_is_not_retried_here) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.take("a");
  s.stopped(w0, attempt("a", 1));
  EXPECT_EQ(s.view("a").failure->code, errc::max_attempts);
  EXPECT_EQ(s.table.counts().dead, 0u);
  EXPECT_EQ(s.retry("a"), "wrong_state") << "while it is undelivered";
  s.posted("a", true);
  EXPECT_EQ(s.retry("a"), "wrong_state") << "and afterwards";
}

// ---- posting ------------------------------------------------------------------------------------

TEST(job_table_delivery, a_failed_post_is_made_again_after_pauses_that_grow_to_half_a_minute) {
  job_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  std::vector<milliseconds> pauses;
  for (int i = 2; i < 10; ++i) {
    EXPECT_EQ(s.posted("a", false), "");
    EXPECT_EQ(s.posted("a", false), "") << "said twice, it changes nothing";
    EXPECT_EQ(s.expire(), "") << "not before the pause is over";
    pauses.push_back(s.next());
    s.pass(pauses.back());
    EXPECT_EQ(s.expire(), "deliver p-a of a COMPLETED try " + std::to_string(i));
  }
  EXPECT_THAT(pauses, ::testing::ElementsAre(milliseconds{500}, seconds{1}, seconds{2}, seconds{4},
                                             seconds{8}, seconds{16}, seconds{30}, seconds{30}));
}

TEST(job_table_delivery, the_platform_may_ask_for_a_longer_pause) {
  job_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", false, seconds{7});
  EXPECT_EQ(s.next(), seconds{7});
  s.pass(seconds{7});
  s.expire();
  s.posted("a", false, milliseconds{1});
  EXPECT_EQ(s.next(), seconds{1}) << "never a shorter one";
}

TEST(job_table_delivery, a_pause_beyond_the_end_leaves_one_last_try) {
  job_script s{short_lived()};
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", false, milliseconds::max());
  s.pass(s.next());
  EXPECT_EQ(s.expire(), "deliver p-a of a COMPLETED try 2");
  EXPECT_EQ(s.posted("a", false), "");
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"})) << "its time is over";
}

TEST(job_table_delivery,
     it_is_given_up_when_its_time_is_over_and_forgotten_when_it_was_kept_enough) {
  auto limits = short_lived();
  limits.keep_async = minutes{5};
  job_script s{limits};
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  int tries = 1;
  while (s.table.webhook_is_pending(job_id{"a"}) && tries < 100) {
    EXPECT_EQ(s.state("a"), "COMPLETED") << "found as long as it is undelivered";
    s.posted("a", false);
    if (s.table.webhook_is_pending(job_id{"a"})) {
      s.pass(s.next());
      EXPECT_THAT(s.expire(), HasSubstr("deliver p-a"));
      ++tries;
    }
  }
  EXPECT_GT(tries, 20);
  EXPECT_LT(tries, 30);
  EXPECT_EQ(s.state("a"), "job_not_found");
  s.expire();
  EXPECT_EQ(s.table.counts().kept, 0u);
}

TEST(job_table_delivery, a_refused_result_is_not_posted_again) {
  job_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", true);
  s.pass(minutes{5});
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.posted("a", false), "") << "no post was open";
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"}));
}

TEST(job_table_delivery, a_webhooks_answer_is_no_post_and_the_other_way_round) {
  job_script s;
  auto hooked = job_script::request();
  hooked.webhook = "https://h/";
  s.submit("here", hooked);
  s.take("there");
  s.cancel("here");
  s.cancel("there");
  s.posted("here", true);
  s.notified("there", true);
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"here"}));
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"there"}));
}

TEST(job_table_delivery,
     a_post_that_is_lost_is_made_again_at_once_also_when_it_was_made_during_a_pause) {
  job_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", false, hours{1});
  s.take("a"); // given again before the hour was over
  s.table.posts_lost(s.now);
  EXPECT_EQ(s.expire(), "deliver p-a of a COMPLETED try 3");
}

TEST(job_table_delivery, posts_without_a_reported_outcome_are_made_again) {
  job_script s;
  s.join(0);
  for (const auto* id : {"a", "b"}) {
    s.take(id);
    s.complete(w0, attempt(id, 1));
  }
  s.posted("b", false);
  s.table.posts_lost(s.now);
  EXPECT_EQ(s.next(), seconds{0});
  EXPECT_EQ(s.expire(), "deliver p-a of a COMPLETED try 2") << "b was not on its way";
  s.table.lose_all_workers(s.now, error{errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(s.expire(), "deliver p-a of a COMPLETED try 2")
      << "what became of the try is not known";
  s.table.posts_lost(s.now);
  s.posted("a", false);
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"a"}));
  s.posted("a", true);
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"})) << "one of them arrived after all";
}

// ---- an undelivered result stays ----------------------------------------------------------------

TEST(job_table_delivery, a_job_with_a_result_to_deliver_is_neither_dropped_nor_trimmed) {
  job_limits limits;
  limits.kept_jobs_max = 1;
  limits.kept_bytes_max = 4;
  job_script s{limits};
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1), "0123456789");
  EXPECT_EQ(s.drop("a"), "wrong_state");
  for (const auto* id : {"b", "c"}) {
    s.submit(id);
    s.complete(w0, attempt(id, 1));
  }
  EXPECT_EQ(s.state("b"), "job_not_found");
  EXPECT_EQ(s.state("a"), "COMPLETED");
  s.pass(hours{2});
  s.expire();
  EXPECT_EQ(s.state("a"), "COMPLETED") << "nor forgotten with time";
  s.posted("a", true);
  s.expire();
  EXPECT_EQ(s.state("a"), "job_not_found");
}

TEST(job_table_delivery, a_result_to_deliver_does_not_count_among_the_ended_ones) {
  job_limits limits;
  limits.kept_jobs_max = 2;
  job_script s{limits};
  s.join(0);
  for (const auto* id : {"a", "b", "c"}) {
    s.take(id);
    s.complete(w0, attempt(id, 1));
    s.pass(seconds{1});
  }
  EXPECT_EQ(s.table.counts().kept, 3u);
  s.posted("c", true);
  s.posted("a", true);
  EXPECT_EQ(s.state("a"), "COMPLETED");
  s.posted("b", true);
  EXPECT_EQ(s.state("a"), "job_not_found") << "the oldest by its end, not by its delivery";
  EXPECT_EQ(s.table.counts().kept, 2u);
  EXPECT_EQ(s.drop("b"), "");
}

TEST(job_table_delivery, the_table_knows_which_are_live_and_how_many_are_undelivered) {
  job_script s;
  s.submit("local");
  s.take("a");
  s.take("b");
  ASSERT_NE(s.table.origin_of(job_id{"a"}), nullptr);
  EXPECT_EQ(*s.table.origin_of(job_id{"a"}), "p-a");
  EXPECT_EQ(s.table.origin_of(job_id{"local"}), nullptr);
  EXPECT_EQ(s.table.origin_of(job_id{"nobody"}), nullptr);
  EXPECT_EQ(s.table.undelivered(), 2u);
  s.cancel("a");
  EXPECT_EQ(s.table.undelivered(), 2u) << "its end is undelivered";
  const auto live = s.table.origins();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].first.str(), "b");
  EXPECT_EQ(live[0].second, "p-b");
  s.posted("a", true);
  EXPECT_EQ(s.table.undelivered(), 1u);
}

// ---- stopped by the platform --------------------------------------------------------------------

TEST(job_table_delivery, a_stop_by_the_platform_begins_no_delivery) {
  job_script s;
  s.join(0);
  s.take("runs", true);
  s.take("waits");
  EXPECT_EQ(s.stop("waits"), "waits CANCELLED (cancel_requested)");
  EXPECT_EQ(s.stop("runs"), "runs CANCELLED (cancel_requested) watched; revoke runs#1 from 0#1");
  EXPECT_EQ(s.table.undelivered(), 0u);
  s.pass(minutes{1});
  EXPECT_EQ(s.expire(), "");
}

TEST(job_table_delivery, a_stop_of_what_has_ended_lets_go_of_its_result) {
  job_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1), "42");
  EXPECT_EQ(s.stop("a"), "");
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"}));
  EXPECT_EQ(s.view("a").output.view(), "42") << "what ended stays as it is";
}

TEST(job_table_delivery, a_stop_by_the_platform_keeps_the_bounds_of_what_is_kept) {
  job_limits limits;
  limits.kept_jobs_max = 1;
  job_script s{limits};
  s.take("a");
  s.submit("b");
  s.cancel("b");
  auto done = s.table.cancel(s.now, job_id{"a"}, true);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first.state, job_state::CANCELLED);
  EXPECT_THAT(s.table.audit(), ::testing::IsEmpty());
  s.take("c");
  s.cancel("c");
  s.pass(seconds{1});
  s.submit("d");
  s.cancel("d");
  done = s.table.cancel(s.now, job_id{"c"}, true);
  ASSERT_TRUE(done) << "it goes at once, and its answer is still right";
  EXPECT_EQ(done->first.id.str(), "c");
  EXPECT_EQ(s.state("c"), "job_not_found");
  EXPECT_THAT(s.table.audit(), ::testing::IsEmpty());
}

TEST(job_table_delivery, a_stop_of_a_job_of_this_pod_is_a_cancel_and_its_webhook_is_called) {
  job_script s;
  auto r = job_script::request();
  r.webhook = "https://h/";
  s.submit("a", r);
  EXPECT_THAT(s.stop("a"), HasSubstr("notify https://h/ of a CANCELLED"));
}

// ---- the pod stops ------------------------------------------------------------------------------

TEST(job_table_delivery,
     what_was_taken_and_has_not_ended_when_the_pod_stops_fails_and_is_delivered) {
  job_script s;
  s.join(0);
  auto later = job_script::taken("sleeps");
  later.policy.delay = seconds{10};
  s.take("runs");
  s.take("waits");
  s.submit("sleeps", later);
  s.submit("local");
  EXPECT_EQ(
      s.hand_back(),
      "runs FAILED (stop_requested); deliver p-runs of runs FAILED try 1; revoke runs#1 from 0#1; "
      "waits FAILED (stop_requested); deliver p-waits of waits FAILED try 1; "
      "sleeps FAILED (stop_requested); deliver p-sleeps of sleeps FAILED try 1");
  EXPECT_EQ(s.view("runs").failure->code, errc::stopping);
  EXPECT_EQ(s.state("local"), "IN_QUEUE") << "it waits for the next start";
  EXPECT_EQ(s.table.counts().dead, 0u);
  EXPECT_EQ(s.table.undelivered(), 3u);
  s.posted("runs", false);
  s.pass(milliseconds{500});
  EXPECT_EQ(s.expire(), "deliver p-runs of runs FAILED try 2") << "posting goes on";
}

// ---- kept on request ----------------------------------------------------------------------------

TEST(job_table_delivery, a_result_stays_as_long_as_somebody_asked_for) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1), "42");
  s.table.keep(s.now, job_id{"a"}, hours{2});
  s.table.keep(s.now, job_id{"a"}, hours{1}); // a shorter wish takes nothing away
  s.table.keep(s.now, job_id{"nobody"}, hours{1});
  EXPECT_EQ(s.next(), hours{2});
  s.pass(hours{2} - milliseconds{1});
  s.expire();
  EXPECT_EQ(s.view("a").output.view(), "42");
  s.pass(milliseconds{1});
  EXPECT_EQ(s.state("a"), "job_not_found");
  s.expire();
  EXPECT_EQ(s.table.counts().kept, 0u);
}

TEST(job_table_delivery, a_wish_to_keep_is_bounded_and_may_come_before_the_end) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.table.keep(s.now, job_id{"a"}, milliseconds::max());
  EXPECT_EQ(s.next(), seconds{600}) << "it bounds no run";
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(s.next(), job_policy::ttl_max);
  s.submit("b");
  s.complete(w0, attempt("b", 1));
  s.table.keep(s.now, job_id{"b"}, milliseconds{-1});
  s.pass(minutes{30});
  EXPECT_EQ(s.state("b"), "job_not_found");
}

} // namespace
} // namespace tayfa::testing
