// Workers that pull their jobs from outside: how much they ask for, whose jobs they take, how long
// they may be silent.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto w0 = job_script::worker(0);
const auto far = job_script::remote(0);
const auto further = job_script::remote(1);
const auto attempt = &job_script::attempt;

worker_facts asking(std::uint32_t capacity, const char* endpoint = "tayfa") {
  return job_script::asking(capacity, endpoint);
}
job_request to(const char* endpoint) {
  auto r = job_script::request();
  r.endpoint = endpoint;
  return r;
}

// ---- capacity -----------------------------------------------------------------------------------

TEST(job_table_remote, a_worker_that_asks_for_nothing_is_given_nothing) {
  job_script s;
  s.join(far, asking(0));
  s.submit("a");
  EXPECT_EQ(s.why("a"), "workers_busy") << "it is there, and will ask again";
  EXPECT_EQ(s.join(far, asking(1)), "a IN_PROGRESS (assigned); give a#1 to 1/0#1");
}

TEST(job_table_remote, it_is_given_once_what_it_asked_for) {
  job_script s;
  s.join(far, asking(3));
  EXPECT_EQ(s.submit("a"), "a IN_PROGRESS (assigned); give a#1 to 1/0#1");
  EXPECT_EQ(s.submit("b"), "") << "its call is being answered";
  EXPECT_EQ(s.why("b"), "workers_busy");
  EXPECT_EQ(s.submit("c"), "");
  auto late = asking(4);
  EXPECT_EQ(text_of(s.table.worker_joined(s.now, far, late)), "")
      << "it asked for more before it heard of the hand-over";
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "a COMPLETED (finished)") << "room is no new call";
  late.hand_overs = s.table.hand_overs(far.place());
  EXPECT_EQ(late.hand_overs, 1u);
  EXPECT_EQ(text_of(s.table.worker_joined(s.now, far, late)),
            "b IN_PROGRESS (assigned); give b#1 to 1/0#1; "
            "c IN_PROGRESS (assigned); give c#1 to 1/0#1")
      << "all that one decision gives is one hand-over";
  EXPECT_EQ(s.table.hand_overs(far.place()), 2u);
}

TEST(job_table_remote, a_hand_over_is_numbered) {
  job_script s;
  s.submit("a");
  s.submit("b");
  const auto then = s.table.worker_joined(s.now, far, asking(2));
  EXPECT_EQ(std::get<assign_attempt>(then.at(1)).hand_over, 1u);
  EXPECT_EQ(std::get<assign_attempt>(then.at(3)).hand_over, 1u);
  s.join(w0, 1);
  const auto local = s.table.submit(s.now, job_id{"c"}, job_script::request(), false);
  EXPECT_EQ(std::get<assign_attempt>(local->then.at(1)).hand_over, 0u)
      << "an engine of this pod asks nothing";
}

TEST(job_table_remote, a_hand_over_is_no_larger_than_one_answer_may_be) {
  job_script s;
  auto large = job_script::request();
  large.input = shared_text{std::string(std::size_t{20} << 20, 'x')};
  for (const auto* id : {"a", "b", "c"}) {
    s.submit(id, large);
  }
  s.submit("small");
  EXPECT_EQ(s.join(far, asking(9)), "a IN_PROGRESS (assigned); give a#1 to 1/0#1; "
                                    "b IN_PROGRESS (assigned); give b#1 to 1/0#1")
      << "enough";
  EXPECT_THAT(s.join(far, asking(9)), HasSubstr("give c#1 to 1/0#1; small"));
}

TEST(job_table_remote, another_incarnation_has_heard_of_nothing) {
  job_script s;
  s.join(far, asking(1));
  s.submit("a");
  const auto then = s.table.worker_joined(s.now, job_script::remote(0, 2), asking(2));
  EXPECT_EQ(s.table.hand_overs(far.place()), 0u) << text_of(then);
  EXPECT_THAT(s.submit("b"), HasSubstr("give b#1 to 1/0#2"));
}

TEST(job_table_remote, its_capacity_is_what_it_said_last) {
  job_script s;
  s.join(far, asking(1));
  s.submit("a");
  s.submit("b");
  s.submit("c");
  EXPECT_EQ(s.join(far, asking(2)), "b IN_PROGRESS (assigned); give b#1 to 1/0#1")
      << "what it holds, and one more";
  EXPECT_EQ(s.join(far, asking(1)), "") << "fewer than it holds: nothing is taken from it";
  EXPECT_EQ(s.complete(far, attempt("a", 1)), "a COMPLETED (finished)") << "and nothing given";
  EXPECT_EQ(s.complete(far, attempt("b", 1)),
            "b COMPLETED (finished); c IN_PROGRESS (assigned); give c#1 to 1/0#1");
  s.join(far, asking(0));
  EXPECT_EQ(s.table.held(far.place()), 1u);
  EXPECT_EQ(s.progress(far, attempt("c", 1), 1, "half"), "");
  EXPECT_EQ(s.complete(far, attempt("c", 1)), "c COMPLETED (finished)");
}

TEST(job_table_remote, an_engine_of_this_pod_keeps_the_capacity_it_announced) {
  job_script s;
  s.join(w0, 1);
  s.submit("a");
  s.submit("b");
  EXPECT_EQ(s.join(w0, 2), "");
  s.join(job_script::worker(1), 0);
  EXPECT_EQ(s.state("b"), "IN_PROGRESS") << "and has room for one at least";
}

TEST(job_table_remote, its_jobs_come_one_by_one_never_as_a_batch) {
  job_script s;
  s.submit("a");
  s.submit("b");
  auto f = asking(2, "tayfa");
  f.batch_max = 8;
  EXPECT_EQ(s.join(far, f), "a IN_PROGRESS (assigned); give a#1 to 1/0#1; "
                            "b IN_PROGRESS (assigned); give b#1 to 1/0#1");
}

TEST(job_table_remote, asking_again_ends_its_draining) {
  job_script s;
  s.join(far, asking(1));
  s.table.worker_draining(s.now, far);
  EXPECT_EQ(s.submit("a"), "");
  EXPECT_EQ(s.why("a"), "no_worker");
  EXPECT_THAT(s.join(far, asking(1)), HasSubstr("give a#1"));
}

TEST(job_table_remote, it_does_not_count_as_capacity_of_the_pod) {
  job_script s;
  EXPECT_EQ(s.table.local_capacity(), 0u);
  s.join(w0, 3);
  s.join(job_script::worker(1), 2);
  s.join(far, asking(7));
  EXPECT_EQ(s.table.local_capacity(), 5u);
  s.drain(0);
  EXPECT_EQ(s.table.local_capacity(), 2u);
  s.lose(1);
  EXPECT_EQ(s.table.local_capacity(), 0u);
}

// ---- endpoints ----------------------------------------------------------------------------------

TEST(job_table_remote, it_runs_jobs_of_its_endpoint_only) {
  job_script s;
  s.join(far, asking(2, "b"));
  EXPECT_EQ(s.submit("1", to("a")), "");
  EXPECT_EQ(s.why("1"), "no_worker");
  EXPECT_EQ(s.submit("2", to("b")), "2 IN_PROGRESS (assigned); give 2#1 to 1/0#1")
      << "the one before it blocks no other job";
  EXPECT_EQ(s.join(further, asking(1, "a")), "1 IN_PROGRESS (assigned); give 1#1 to 1/1#1");
}

TEST(job_table_remote, no_job_waits_for_a_worker_of_another_endpoint) {
  job_script s;
  s.join(far, asking(1, "b"));
  s.submit("runs", to("b"));
  s.submit("waits", to("b"));
  s.submit("stuck", to("a"));
  EXPECT_EQ(s.why("waits"), "workers_busy");
  EXPECT_EQ(s.why("stuck"), "no_worker");
}

TEST(job_table_remote, engines_of_this_pod_run_jobs_of_every_endpoint) {
  job_script s;
  s.join(w0, 2);
  EXPECT_THAT(s.submit("1", to("a")), HasSubstr("give 1#1 to 0#1"));
  EXPECT_THAT(s.submit("2", to("b")), HasSubstr("give 2#1 to 0#1"));
}

TEST(job_table_remote, jobs_of_different_endpoints_share_no_batch) {
  job_limits limits;
  limits.batch_max = 4;
  job_script s{limits};
  s.submit("1", to("a"));
  s.submit("2", to("b"));
  s.submit("3", to("a"));
  EXPECT_EQ(s.join(w0, job_script::batching(4)), "1 IN_PROGRESS (assigned); give 1#1 to 0#1 of 2; "
                                                 "3 IN_PROGRESS (assigned); give 3#1 to 0#1 of 2")
      << "each group is placed for itself";
}

TEST(job_table_remote, a_busy_engine_is_waited_for_only_where_no_remote_worker_has_room) {
  job_script s;
  s.join(0);
  s.submit("1");
  s.submit("2");
  EXPECT_EQ(s.why("2"), "workers_busy");
  EXPECT_EQ(s.join(far, asking(1)), "2 IN_PROGRESS (assigned); give 2#1 to 1/0#1");
}

// ---- leases -------------------------------------------------------------------------------------

TEST(job_table_remote, an_attempt_has_the_lease_of_its_worker) {
  job_script s;
  auto f = asking(1);
  f.lease = seconds{30};
  s.join(far, f);
  s.submit("a");
  EXPECT_EQ(s.next(), seconds{30});
  s.pass(seconds{20});
  s.renewed(far, attempt("a", 1));
  EXPECT_EQ(s.next(), seconds{30}) << "every sign of it counts from now";
  s.pass(seconds{20});
  s.started(far, attempt("a", 1));
  s.pass(seconds{20});
  s.partial(far, attempt("a", 1), 1, "x");
  s.pass(seconds{20});
  s.progress(far, attempt("a", 1), 1, "half");
  EXPECT_EQ(s.next(), seconds{30});
  s.pass(seconds{30});
  EXPECT_EQ(s.expire(), "a IN_QUEUE (attempt_lost); revoke a#1 from 1/0#1");
  EXPECT_EQ(s.detail("a").history.at(0).failure->code, errc::lease_expired);
  EXPECT_EQ(s.table.held(far.place()), 1u) << "it may still be at it";
}

TEST(job_table_remote, one_without_a_lease_is_bounded_by_the_execution_timeout) {
  job_script s;
  s.join(far, asking(1));
  s.submit("a");
  EXPECT_EQ(s.next(), seconds{600});
}

TEST(job_table_remote, an_engine_that_reports_steps_has_the_pods_lease_and_one_with_its_own_that) {
  job_limits limits;
  limits.lease = seconds{10};
  job_script s{limits};
  auto own = job_script::facts(1, true);
  own.lease = seconds{3};
  s.join(w0, own);
  s.submit("a");
  EXPECT_EQ(s.next(), seconds{3});
  s.complete(w0, attempt("a", 1));
  s.join(job_script::worker(1), job_script::facts(1, true));
  s.drain(0);
  s.submit("b");
  EXPECT_EQ(s.next(), seconds{10});
}

// ---- names --------------------------------------------------------------------------------------

TEST(job_table_remote, people_see_its_name) {
  job_script s;
  s.join(far, asking(1));
  s.submit("a");
  EXPECT_EQ(s.view("a").worker, "their worker");
  s.lose(far.place(), {errc::unavailable, "gone"});
  EXPECT_EQ(s.view("a").worker, "their worker") << "of the latest attempt";
  s.join(0);
  EXPECT_EQ(s.view("a").worker, "slot-0");
  s.complete(w0, attempt("a", 2));
  EXPECT_EQ(s.detail("a").history.at(0).worker, "their worker");
  EXPECT_EQ(s.table.list(s.now, {}).jobs.at(0).worker, "slot-0");
}

TEST(job_table_remote, one_without_a_name_is_called_after_its_slot) {
  job_script s;
  auto f = asking(1);
  f.name.clear();
  s.join(far, f);
  s.submit("a");
  EXPECT_EQ(s.view("a").worker, "node-1-slot-0");
}

// ---- losses -------------------------------------------------------------------------------------

TEST(job_table_remote, a_job_that_never_reached_it_pays_no_attempt) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(far, asking(1));
  s.submit("a");
  s.join(far, asking(0)); // its call was gone before the answer
  EXPECT_EQ(s.failed(far, attempt("a", 1), errc::unavailable), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.why("a"), "workers_busy") << "it sleeps no while";
  EXPECT_EQ(s.join(far, asking(1)), "a IN_PROGRESS (assigned); give a#2 to 1/0#1");
  EXPECT_THAT(s.failed(far, attempt("a", 2), errc::not_ready), HasSubstr("a FAILED"))
      << "any other loss costs one";
}

TEST(job_table_remote, unavailable_of_an_engine_of_this_pod_is_the_jobs_failure) {
  job_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.failed(w0, attempt("a", 1), errc::unavailable), "a FAILED (job_error)");
}

TEST(job_table_remote, a_worker_that_is_gone_is_forgotten) {
  job_script s;
  s.join(job_script::remote(0, 5), asking(2));
  s.submit("a");
  EXPECT_EQ(s.lose(far.place(), {errc::lease_expired, "silent"}), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.table.held(far.place()), 0u);
  EXPECT_EQ(s.complete(job_script::remote(0, 5), attempt("a", 1)), "stale");
  s.pass(seconds{1});
  s.expire();
  EXPECT_EQ(s.why("a"), "no_worker");
  EXPECT_EQ(s.join(job_script::remote(0, 4), asking(1)),
            "a IN_PROGRESS (assigned); give a#2 to 1/0#4")
      << "their node makes sure that this is a new one";
}

TEST(job_table_remote, one_that_comes_back_as_another_has_lost_what_it_held) {
  job_script s;
  s.join(far, asking(1));
  s.submit("a");
  EXPECT_EQ(s.join(job_script::remote(0, 2), asking(0)), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.join(far, asking(1)), "") << "the older one is stale";
  EXPECT_EQ(s.table.counts().stale, 1u);
}

TEST(job_table_remote, a_restarted_queue_knows_none_of_them) {
  job_script s;
  s.join(0);
  s.join(far, asking(1));
  s.submit("a");
  s.submit("b");
  const auto then =
      s.table.lose_all_workers(s.now, error{errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(text_of(then), "a IN_QUEUE (attempt_lost); b IN_QUEUE (attempt_lost)");
  EXPECT_THAT(s.table.audit(), IsEmpty());
  EXPECT_THAT(s.join(far, asking(2)), HasSubstr("give b#2 to 1/0#1"))
      << "the same one may come again";
}

TEST(job_table_remote, a_suspect_waits_for_one_that_asks_and_has_nothing_else) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.lose(0, {errc::engine_crash, "signal 11"});
  s.pass(seconds{1});
  s.join(far, asking(0));
  s.join(further, asking(2, "other"));
  s.expire();
  EXPECT_EQ(s.state("a"), "IN_QUEUE") << "nothing is given to one that asks for nothing";
  s.submit("b");
  EXPECT_THAT(s.join(far, asking(2)), HasSubstr("give a#2 to 1/0#1"));
  EXPECT_EQ(s.state("b"), "IN_QUEUE") << "alone it stays";
  EXPECT_EQ(s.complete(far, attempt("a", 2)), "a COMPLETED (finished)");
  EXPECT_THAT(s.join(far, asking(1)), HasSubstr("give b#1 to 1/0#1"));
}

TEST(job_table_remote, a_job_of_a_platform_may_run_there_as_well) {
  job_script s;
  s.join(far, asking(1));
  s.take("a");
  EXPECT_EQ(s.complete(far, attempt("a", 1)),
            "a COMPLETED (finished); deliver p-a of a COMPLETED try 1");
}

TEST(job_table_remote, the_s3_configuration_goes_with_the_attempt) {
  job_script s;
  s.join(far, asking(1));
  auto r = job_script::request();
  r.s3_config = R"({"bucketName":"b"})";
  auto done = s.table.submit(s.now, job_id{"a"}, r, false);
  ASSERT_TRUE(done);
  EXPECT_EQ(std::get<assign_attempt>(done->then.at(1)).message.s3_config, r.s3_config);
}

} // namespace
} // namespace tayfa::testing
