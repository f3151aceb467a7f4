// Jobs that run together, and workers that differ.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

const auto w0 = job_script::worker(0);
const auto w1 = job_script::worker(1);
const auto attempt = &job_script::attempt;

job_limits batches_of(std::uint32_t n, milliseconds delay = milliseconds{0}) {
  job_limits l;
  l.batch_max = n;
  l.batch_delay = delay;
  return l;
}
job_request shaped(const char* shape) {
  auto r = job_script::request();
  r.shape = shape;
  return r;
}

TEST(job_table_batch, jobs_of_one_model_and_shape_run_together_and_end_each_by_itself) {
  job_script s{batches_of(3)};
  for (const auto* id : {"a", "b", "other", "c", "d"}) {
    s.submit(id, shaped(*id == 'o' ? "large" : ""));
  }
  EXPECT_EQ(s.join(w0, job_script::batching(4)), "a IN_PROGRESS (assigned); give a#1 to 0#1 of 3; "
                                                 "b IN_PROGRESS (assigned); give b#1 to 0#1 of 3; "
                                                 "c IN_PROGRESS (assigned); give c#1 to 0#1 of 3");
  EXPECT_EQ(s.complete(w0, attempt("b", 1)), "b COMPLETED (finished)") << "no fourth joins a run";
  EXPECT_EQ(s.failed(w0, attempt("a", 1), errc::bad_input), "a FAILED (job_error)");
  EXPECT_EQ(s.complete(w0, attempt("c", 1)),
            "c COMPLETED (finished); other IN_PROGRESS (assigned); give other#1 to 0#1");
}

TEST(job_table_batch, an_oldest_member_waits_for_others_no_longer_than_it_may) {
  job_script s{batches_of(2, seconds{1})};
  s.join(w0, job_script::batching(2));
  EXPECT_EQ(s.submit("a"), "");
  EXPECT_EQ(s.why("a"), "batch_filling");
  EXPECT_EQ(s.next(), seconds{1});
  s.pass(milliseconds{400});
  EXPECT_THAT(s.submit("b"), HasSubstr("give b#1 to 0#1 of 2")) << "full";
  s.complete(w0, attempt("a", 1));
  s.complete(w0, attempt("b", 1));
  s.submit("c");
  s.pass(milliseconds{999});
  EXPECT_EQ(s.expire(), "");
  s.pass(milliseconds{1});
  EXPECT_EQ(s.expire(), "c IN_PROGRESS (assigned); give c#1 to 0#1");
}

TEST(job_table_batch, what_was_too_large_together_runs_alone_and_pays_no_attempt) {
  job_limits l = batches_of(2);
  l.max_attempts = 1;
  job_script s{l};
  s.submit("a");
  s.submit("b");
  s.join(w0, job_script::batching(2));
  EXPECT_EQ(s.failed(w0, attempt("a", 1), errc::gpu_oom), "a IN_QUEUE (attempt_lost)");
  EXPECT_THAT(s.failed(w0, attempt("b", 1), errc::gpu_oom), HasSubstr("give a#2 to 0#1"));
  EXPECT_EQ(s.state("b"), "IN_QUEUE") << "not beside another one";
  EXPECT_EQ(s.failed(w0, attempt("a", 2), errc::gpu_oom),
            "a FAILED (job_error); b IN_PROGRESS (assigned); give b#2 to 0#1")
      << "alone it had all the memory there is";
}

TEST(job_table_batch, an_engine_that_batches_by_itself_gets_everything_at_once) {
  job_script s{batches_of(2, seconds{1})};
  auto f = job_script::batching(3);
  f.continuous = true;
  s.join(w0, f);
  EXPECT_EQ(s.submit("a"), "a IN_PROGRESS (assigned); give a#1 to 0#1");
  EXPECT_EQ(s.submit("b"), "b IN_PROGRESS (assigned); give b#1 to 0#1");
}

TEST(job_table_batch, a_cancelled_member_leaves_the_others_alone) {
  job_script s{batches_of(2)};
  s.submit("a");
  s.submit("b");
  s.join(w0, job_script::batching(2));
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested); revoke a#1 from 0#1");
  EXPECT_EQ(s.complete(w0, attempt("b", 1)), "b COMPLETED (finished)");
  EXPECT_EQ(s.submit("c"), "") << "the run is over when its last member is";
  EXPECT_THAT(s.stopped(w0, attempt("a", 1)), HasSubstr("give c#1"));
}

TEST(job_table_batch, a_job_goes_only_where_its_model_fits) {
  job_script s;
  s.table.models_known(s.now, {{"small", 1, 10}, {"large", 1, 100}});
  auto f = job_script::facts();
  f.memory_bytes = 50;
  s.join(w0, f);
  auto r = job_script::request();
  r.model = "large";
  EXPECT_EQ(s.submit("a", r), "");
  EXPECT_EQ(s.why("a"), "no_memory");
  EXPECT_THAT(s.submit("b"), HasSubstr("give b#1 to 0#1")) << "the first model is the default";
  EXPECT_EQ(s.detail("b").model, "small");
  r.model = "unknown";
  EXPECT_EQ(s.submit("c", r), "model_not_found");
  f.memory_bytes = 200;
  EXPECT_EQ(s.join(w1, f), "a IN_PROGRESS (assigned); give a#1 to 1#1");
}

TEST(job_table_batch, a_worker_changes_its_model_when_no_job_needs_the_old_one) {
  job_script s;
  s.table.models_known(s.now, {{"m0", 0, 0}, {"m1", 0, 0}});
  auto f = job_script::facts();
  f.model = "m0";
  f.can_change = true;
  s.join(w0, f);
  auto r = job_script::request();
  r.model = "m1";
  EXPECT_EQ(s.submit("a", r), "change 0#1 to m1");
  EXPECT_EQ(s.why("a"), "model_loading");
  EXPECT_THAT(s.submit("b"), Not(HasSubstr("give"))) << "its engine is about to go";
  s.lose(0, {errc::stopping, "its model changes"});
  EXPECT_EQ(s.why("a"), "model_loading") << "it comes back";
  f.model = "m1";
  EXPECT_THAT(s.join(job_script::worker(0, 2), f), HasSubstr("give a#1 to 0#2"));
}

TEST(job_table_batch, without_leave_to_change_a_job_waits_for_a_worker_with_its_model) {
  job_script s;
  s.table.models_known(s.now, {{"m0", 0, 0}, {"m1", 0, 0}});
  auto f = job_script::facts();
  f.model = "m0";
  s.join(w0, f);
  auto r = job_script::request();
  r.model = "m1";
  EXPECT_EQ(s.submit("a", r), "");
  EXPECT_EQ(s.why("a"), "no_worker");
  f.model = "m1";
  EXPECT_THAT(s.join(w1, f), HasSubstr("give a#1 to 1#1"));
}

} // namespace
} // namespace tayfa::testing
