// Workers that go on while the runtime, or its queue, is started anew: their jobs wait for them,
// are claimed, and run again only when they are not claimed in time.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const auto far = job_script::remote(0);
const auto again = job_script::remote(0, 2);
const auto other = job_script::remote(1);
const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

worker_facts lasting(std::uint32_t capacity, const char* name = "theirs") {
  auto f = job_script::asking(capacity);
  f.lasting_name = name;
  f.lease = seconds{30};
  return f;
}

struct claim_script : durable_script {
  using durable_script::durable_script;

  std::string claim(worker_ref w, const char* job, std::uint32_t number, std::uint32_t chunks = 0) {
    const auto then = table.claimed(now, w, {{attempt(job, number), chunks}});
    EXPECT_THAT(table.audit(), IsEmpty());
    return text_of(then);
  }
  std::string come_back(worker_ref w, worker_facts f, const job_table::attempts_held& holds) {
    const auto then = table.worker_joined(now, w, std::move(f), holds);
    EXPECT_THAT(table.audit(), IsEmpty());
    return text_of(then);
  }
};

/// "a" runs on `far` when the process ends.
struct restarted : claim_script {
  explicit restarted(job_limits l = {}, job_request r = job_script::request()) : claim_script(l) {
    claim_script before{l};
    before.join(far, lasting(1));
    before.submit("a", std::move(r));
    before.commit();
    before.pass(seconds{5});
    EXPECT_EQ(before.restart(*this), "");
    EXPECT_THAT(table.audit(), IsEmpty());
  }
};

// ---- a new process ------------------------------------------------------------------------------

TEST(job_table_claims, a_job_on_a_lasting_worker_goes_on_over_a_restart) {
  restarted s;
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
  EXPECT_EQ(s.view("a").attempts, 1u);
  EXPECT_EQ(s.view("a").worker, "their worker");
  EXPECT_EQ(s.table.counts().in_progress, 1u);
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 1), "");
  EXPECT_EQ(s.table.held(far.place()), 1u);
  s.pass(seconds{5});
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "a COMPLETED (finished)");
  EXPECT_EQ(s.detail("a").history.at(0).number, 1u);
  EXPECT_EQ(s.view("a").execution, seconds{10}) << "since it was given out";
}

TEST(job_table_claims, a_job_on_an_engine_of_this_pod_does_not) {
  claim_script s;
  claim_script t;
  s.join(0);
  s.submit("a");
  s.commit();
  EXPECT_EQ(s.restart(t), "a IN_QUEUE (attempt_lost)");
}

TEST(job_table_claims, no_other_worker_is_given_it_meanwhile) {
  restarted s;
  EXPECT_EQ(s.join(0), "");
  EXPECT_EQ(s.join(other, lasting(1, "another")), "");
  EXPECT_EQ(s.complete(w0, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "stale") << "before it has claimed it";
}

TEST(job_table_claims, only_the_worker_that_had_it_last_may_claim_it) {
  restarted s;
  s.join(other, lasting(0, "another"));
  s.join(0);
  EXPECT_EQ(s.claim(other, "a", 1), "revoke a#1 from 1/1#1");
  EXPECT_EQ(s.claim(w0, "a", 1), "revoke a#1 from 0#1");
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 2), "revoke a#2 from 1/0#1");
  EXPECT_EQ(s.claim(far, "unknown", 1), "revoke unknown#1 from 1/0#1");
  EXPECT_EQ(s.claim(again, "a", 1), "") << "an incarnation that has not come";
  EXPECT_EQ(s.claim(far, "a", 1), "");
  EXPECT_EQ(s.claim(far, "a", 1), "") << "it may say it twice";
  EXPECT_EQ(s.table.held(far.place()), 1u);
}

TEST(job_table_claims, it_runs_again_when_it_is_not_claimed_in_time_at_no_cost) {
  job_limits l;
  l.max_attempts = 1;
  restarted s{l};
  EXPECT_EQ(s.next(), seconds{60});
  s.pass(seconds{59});
  EXPECT_EQ(s.expire(), "");
  s.pass(seconds{1});
  EXPECT_EQ(s.expire(), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.join(0), "a IN_PROGRESS (assigned); give a#2 to 0#1");
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 1), "revoke a#1 from 1/0#1") << "too late";
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(w0, attempt("a", 2)), "a COMPLETED (finished)");
}

TEST(job_table_claims, it_is_claimed_late_while_it_waits) {
  job_limits l;
  l.max_attempts = 1;
  restarted s{l};
  s.pass(seconds{60});
  s.expire();
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 1), "a IN_PROGRESS (assigned)");
  EXPECT_THAT(s.detail("a").history, IsEmpty()) << "it was not lost after all";
  EXPECT_EQ(s.failed(far, attempt("a", 1), errc::not_ready), "a FAILED (attempts_exhausted)")
      << "and counts as ever";
}

TEST(job_table_claims, its_lease_begins_with_the_claim) {
  restarted s;
  s.join(far, lasting(0));
  s.claim(far, "a", 1);
  EXPECT_EQ(s.next(), seconds{30});
  s.pass(seconds{20});
  EXPECT_EQ(s.renewed(far, attempt("a", 1)), "");
  s.pass(seconds{30});
  EXPECT_THAT(s.expire(), HasSubstr("a IN_QUEUE (attempt_lost); revoke a#1 from 1/0#1"));
}

TEST(job_table_claims, a_worker_that_was_asked_to_stop_it_cannot_claim_it) {
  claim_script s;
  s.join(far, lasting(1));
  s.submit("a");
  s.pass(seconds{30});
  EXPECT_THAT(s.expire(), HasSubstr("revoke a#1 from 1/0#1"));
  EXPECT_EQ(s.claim(far, "a", 1), "revoke a#1 from 1/0#1") << "it is about to stop";
  EXPECT_EQ(s.table.held(far.place()), 1u);
}

TEST(job_table_claims, a_second_restart_changes_nothing) {
  restarted s;
  s.join(far, lasting(0));
  s.claim(far, "a", 1);
  s.commit();
  claim_script t;
  EXPECT_EQ(s.restart(t), "");
  t.join(far, lasting(0));
  EXPECT_EQ(t.claim(far, "a", 1), "");
  EXPECT_EQ(t.complete(far, attempt("a", 1)), "a COMPLETED (finished)");
}

// ---- its time-outs, cancel and stop -------------------------------------------------------------

TEST(job_table_claims, it_may_be_cancelled_meanwhile) {
  restarted s;
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested)");
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 1), "revoke a#1 from 1/0#1") << "and its worker stops it";
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "stale");
  EXPECT_EQ(s.state("a"), "CANCELLED");
}

TEST(job_table_claims, its_execution_timeout_goes_on) {
  auto r = job_script::request();
  r.policy.execution_timeout = seconds{7};
  restarted s{{}, r};
  EXPECT_EQ(s.next(), seconds{2}) << "5 s of it had gone by";
  s.pass(seconds{2});
  EXPECT_EQ(s.expire(), "a TIMED_OUT (execution_timeout)");
}

TEST(job_table_claims, its_time_to_live_goes_on) {
  auto r = job_script::request();
  r.policy.ttl = seconds{15};
  restarted s{{}, r};
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "a TIMED_OUT (ttl_expired)");
  EXPECT_EQ(s.retry("a"), "");
  s.join(far, lasting(0));
  EXPECT_EQ(s.claim(far, "a", 1), "revoke a#1 from 1/0#1") << "of an earlier life";
}

TEST(job_table_claims, a_stop_leaves_it_to_its_worker_and_the_next_process) {
  claim_script s;
  s.join(far, lasting(1));
  s.submit("a");
  s.join(0);
  s.submit("b");
  s.table.stop_taking();
  EXPECT_EQ(s.table.awaited(), 2u) << "results may come while the pod drains";
  EXPECT_EQ(s.hand_back(), "b IN_QUEUE (attempt_lost); revoke b#1 from 0#1");
  EXPECT_EQ(s.table.awaited(), 0u);
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
  s.commit();
  claim_script t;
  EXPECT_EQ(s.restart(t), "");
  t.join(far, lasting(0));
  EXPECT_EQ(t.claim(far, "a", 1), "");
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "a COMPLETED (finished)")
      << "a result that comes to the old process in its last moments";
}

TEST(job_table_claims, a_stop_without_a_store_hands_everything_back) {
  job_script s;
  s.join(far, lasting(1));
  s.submit("a");
  EXPECT_EQ(s.hand_back(), "a IN_QUEUE (attempt_lost); revoke a#1 from 1/0#1");
}

TEST(job_table_claims, a_job_of_a_platform_fails_at_the_stop_as_ever) {
  claim_script s;
  s.join(far, lasting(1));
  s.take("a");
  EXPECT_THAT(s.hand_back(), HasSubstr("a FAILED (stop_requested)"));
}

// ---- streams ------------------------------------------------------------------------------------

TEST(job_table_claims, a_job_whose_chunks_ended_with_the_process_runs_again_at_no_cost) {
  job_limits l;
  l.max_attempts = 1;
  claim_script s{l};
  s.join(far, lasting(1));
  s.submit("a");
  s.commit();
  s.partial(far, attempt("a", 1), 1, "x");
  EXPECT_EQ(s.commit(), 1u) << "the store knows at once";
  s.partial(far, attempt("a", 1), 2, "y");
  EXPECT_FALSE(s.table.has_changes()) << "once";
  claim_script t{l};
  EXPECT_EQ(s.restart(t), "a IN_QUEUE (attempt_lost)");
  t.join(far, lasting(0));
  EXPECT_EQ(t.claim(far, "a", 1), "revoke a#1 from 1/0#1");
  EXPECT_THAT(t.join(far, lasting(1)), HasSubstr("give a#2"));
  EXPECT_EQ(t.partial(far, attempt("a", 2), 1, "x"), "");
}

// ---- a new queue --------------------------------------------------------------------------------

TEST(job_table_claims, a_new_queue_waits_for_them) {
  claim_script s;
  s.join(far, lasting(2));
  s.submit("a");
  s.submit("b");
  s.join(far, lasting(2));
  s.partial(far, attempt("a", 1), 1, "x");
  s.table.lose_all_workers(s.now, {errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "stale");
  EXPECT_EQ(s.come_back(again, lasting(0), {{attempt("a", 1), 1}}), "b IN_QUEUE (attempt_lost)")
      << "it names all that it has: b was on its way";
  EXPECT_EQ(s.stream("a"), "x");
  EXPECT_EQ(s.partial(again, attempt("a", 1), 2, "y"), "");
  EXPECT_EQ(s.complete(again, attempt("a", 1)), "a COMPLETED (finished)");
}

TEST(job_table_claims, a_chunk_that_was_lost_on_its_way_is_made_again) {
  claim_script s;
  s.join(far, lasting(1));
  s.submit("a");
  s.partial(far, attempt("a", 1), 1, "x");
  s.table.lose_all_workers(s.now, {errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(s.come_back(again, lasting(0), {{attempt("a", 1), 2}}),
            "revoke a#1 from 1/0#2; a IN_QUEUE (attempt_lost)");
}

TEST(job_table_claims, a_worker_that_comes_as_another_incarnation_keeps_what_it_names) {
  claim_script s;
  s.join(far, lasting(2));
  s.submit("a");
  EXPECT_EQ(s.come_back(again, lasting(2), {{attempt("a", 1), 0}}), "");
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "stale");
  EXPECT_EQ(s.complete(again, attempt("a", 1)), "a COMPLETED (finished)");
}

TEST(job_table_claims, one_that_is_lost_for_good_loses_them_as_ever) {
  claim_script s;
  s.join(far, lasting(1));
  s.submit("a");
  EXPECT_EQ(s.lose(far.place(), {errc::lease_expired, "silent"}), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.detail("a").history.at(0).failure->code, errc::lease_expired);
}

TEST(job_table_claims, a_worker_with_places_claims_no_more_than_it_has) {
  claim_script s;
  auto f = job_script::facts(1);
  f.lasting_name = "pod";
  s.join(0);
  s.join(job_script::worker(1), f);
  s.submit("x"); // on 0
  s.submit("a"); // on 1
  s.table.lose_all_workers(s.now, {errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(s.come_back(job_script::worker(1, 2), f, {{attempt("a", 1), 0}, {attempt("x", 1), 0}}),
            "revoke x#1 from 1#2");
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
}

// ---- what may be claimed ------------------------------------------------------------------------

TEST(job_table_claims, the_gateway_of_the_workers_gets_a_list_of_them) {
  claim_script s;
  s.join(far, lasting(1));
  s.submit("a");
  s.commit();
  EXPECT_THAT(s.table.unclaimed(), IsEmpty()) << "its holder is here";
  claim_script t;
  s.restart(t);
  ASSERT_THAT(t.table.unclaimed(), SizeIs(1));
  EXPECT_EQ(t.table.unclaimed().front().attempt, attempt("a", 1));
  EXPECT_EQ(t.table.unclaimed().front().lasting_name, "theirs");
  t.pass(seconds{60});
  t.expire();
  EXPECT_THAT(t.table.unclaimed(), SizeIs(1)) << "late";
  t.cancel("a");
  EXPECT_THAT(t.table.unclaimed(), IsEmpty());
}

} // namespace
} // namespace tayfa::testing
