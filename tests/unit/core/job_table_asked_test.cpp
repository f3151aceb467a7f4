// Requests beyond a plain job: a later start, the same job again, other ways to end it, a call when
// it has ended, lists.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

// ---- delayed start, idempotency keys ------------------------------------------------------------

TEST(job_table_lives, a_delayed_job_does_not_start_before_its_time) {
  job_script s;
  auto r = job_script::request();
  r.policy.delay = seconds{10};
  s.join(0);
  EXPECT_EQ(s.submit("a", r), "");
  EXPECT_EQ(s.why("a"), "delayed");
  EXPECT_EQ(s.table.counts().in_queue, 1u);
  EXPECT_EQ(s.next(), seconds{10});
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "a IN_PROGRESS (assigned); give a#1 to 0#1");
}

TEST(job_table_lives, a_key_gives_the_same_job_while_it_is_kept) {
  job_script s;
  s.join(0);
  s.submit("a", job_script::keyed("k"));
  EXPECT_EQ(s.submit("b", job_script::keyed("k")), "again a");
  EXPECT_EQ(s.submit("c", job_script::keyed("k", "[2]")), "idempotency_mismatch");
  auto elsewhere = job_script::keyed("k");
  elsewhere.endpoint = "other";
  EXPECT_EQ(s.submit("d", elsewhere), "") << "another endpoint's keys are others";
  auto somebody = job_script::keyed("k");
  somebody.policy.tenant = "t";
  EXPECT_EQ(s.submit("e", somebody), "") << "and so are another tenant's";
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(s.submit("f", job_script::keyed("k")), "again a") << "also when it has ended";
  s.drop("a");
  EXPECT_EQ(s.submit("g", job_script::keyed("k")), "");
}

TEST(job_table_lives, a_full_or_stopping_queue_still_answers_for_a_known_key) {
  job_limits limits;
  limits.queue_max = 1;
  job_script s{limits};
  s.submit("a", job_script::keyed("k"));
  EXPECT_EQ(s.submit("b"), "queue_full");
  EXPECT_EQ(s.submit("c", job_script::keyed("k")), "again a");
  s.table.stop_taking();
  EXPECT_EQ(s.submit("d", job_script::keyed("k")), "again a");
}

TEST(job_table_lives, a_client_that_asks_again_with_a_key_learns_the_end_as_well) {
  job_script s;
  s.submit("a", job_script::keyed("k"));
  s.submit("b", job_script::keyed("k"), true);
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested) watched");
}

// ---- drop, purge, webhooks ----------------------------------------------------------------------

TEST(job_table_lives, only_ended_jobs_are_dropped_and_then_they_are_gone) {
  job_script s;
  s.submit("a");
  EXPECT_EQ(s.drop("a"), "wrong_state");
  s.cancel("a");
  EXPECT_EQ(s.drop("a"), "");
  EXPECT_EQ(s.drop("a"), "job_not_found");
  EXPECT_EQ(s.table.counts().kept, 0u);
}

TEST(job_table_lives, a_purge_cancels_what_waits_and_leaves_what_runs) {
  job_script s;
  auto later = job_script::request();
  later.policy.delay = seconds{10};
  s.join(0);
  s.submit("runs");
  s.submit("a");
  s.submit("b", later);
  EXPECT_EQ(s.purge(), "a CANCELLED (cancel_requested); b CANCELLED (cancel_requested); purged 2");
  EXPECT_EQ(s.state("runs"), "IN_PROGRESS");
}

TEST(job_table_lives, a_webhook_is_tried_until_it_is_delivered_or_its_tries_are_over) {
  job_limits limits;
  limits.hook_tries = 2;
  job_script s{limits};
  auto r = job_script::request();
  r.webhook = "https://h/";
  s.submit("a", r);
  EXPECT_EQ(s.cancel("a"),
            "a CANCELLED (cancel_requested); notify https://h/ of a CANCELLED try 1");
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"a"}));
  s.pass(hours{1});
  EXPECT_EQ(s.expire(), "") << "not forgotten while it is being called";
  EXPECT_EQ(s.notified("a", false), "");
  EXPECT_EQ(s.next(), seconds{10});
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "notify https://h/ of a CANCELLED try 2");
  EXPECT_EQ(s.notified("a", false), "");
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"}));
  EXPECT_EQ(s.notified("a", true), "") << "no call was open";
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.state("a"), "job_not_found") << "its time was over long ago";
}

TEST(job_table_lives, a_webhook_that_a_dead_queue_was_calling_is_called_again) {
  job_limits limits;
  limits.hook_tries = 1;
  job_script s{limits};
  auto r = job_script::request();
  r.webhook = "https://h/";
  s.submit("a", r);
  s.cancel("a");
  s.table.lose_all_workers(s.now, error{errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(s.expire(), "notify https://h/ of a CANCELLED try 1")
      << "the outcome of the call was never reported";
  s.notified("a", false);
  s.pass(hours{1});
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.state("a"), "job_not_found") << "and it is not kept for ever";
}

// ---- lists --------------------------------------------------------------------------------------

TEST(job_table_lives, lists_are_newest_first_in_pages_and_by_what_is_asked) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.submit("dead", job_script::of_tenant("t"));
  s.lose(0, {errc::not_ready, ""});
  for (const auto* id : {"a", "b", "c"}) {
    s.submit(id);
  }
  const auto names = [&](const job_filter& f) {
    std::string text;
    for (const auto& line : s.table.list(s.now, f).jobs) {
      text += line.id.str() + " ";
    }
    return text;
  };
  EXPECT_EQ(names({}), "c b a dead ");
  job_filter f;
  f.dead = true;
  EXPECT_EQ(names(f), "dead ");
  f = {};
  f.tenant = "t";
  EXPECT_EQ(names(f), "dead ");
  f = {};
  f.state = job_state::IN_QUEUE;
  EXPECT_EQ(names(f), "c b a ");
  f = {};
  f.limit = 3;
  EXPECT_EQ(names(f), "c b a ");
  f.after = s.table.list(s.now, f).next;
  EXPECT_EQ(names(f), "dead ");
  EXPECT_EQ(s.table.list(s.now, f).next, 0u);
}

TEST(job_table_lives, every_attempt_is_remembered_with_its_end) {
  job_limits limits;
  limits.history_max = 2;
  job_script s{limits};
  s.submit("a");
  s.pass(seconds{1});
  s.join(0);
  s.started(w0, attempt("a", 1));
  s.pass(seconds{1});
  s.stopped(w0, attempt("a", 1));
  s.pass(milliseconds{100});
  s.expire();
  s.pass(seconds{1});
  s.complete(w0, attempt("a", 2));
  const auto history = s.detail("a").history;
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(
      history[0],
      (attempt_view{1, "slot-0", seconds{1}, seconds{1}, seconds{2},
                    error{errc::cancelled, "the worker stopped the attempt without being asked"}}));
  EXPECT_EQ(history[1], (attempt_view{2, "slot-0", milliseconds{2'100}, std::nullopt,
                                      milliseconds{3'100}, std::nullopt}));
}

} // namespace
} // namespace tayfa::testing
