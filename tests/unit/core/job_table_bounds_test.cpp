// The table's storage is bounded: inputs of live jobs by refusing, outputs of ended jobs by
// forgetting the oldest, unread chunks by dropping the oldest.
#include "tests/unit/core/job_script.hpp"

namespace tayfa::testing {
namespace {

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

TEST(job_table_bounds, a_job_whose_input_does_not_fit_beside_the_others_is_refused_whole) {
  job_limits l;
  l.live_bytes_max = 10;
  job_script s{l};
  EXPECT_EQ(s.submit("a", job_script::request("123456")), "");
  EXPECT_EQ(s.submit("b", job_script::request("12345")), "queue_full");
  EXPECT_EQ(s.state("b"), "job_not_found");
  EXPECT_EQ(s.submit("c", job_script::request("1234")), "");
  s.cancel("a");
  EXPECT_EQ(s.submit("d", job_script::request("123456")), "") << "an ended job's input is gone";
}

TEST(job_table_bounds, progress_and_chunks_of_live_jobs_count_and_stop_counting) {
  job_limits l;
  l.live_bytes_max = 10;
  job_script s{l};
  s.join(0);
  s.submit("a", job_script::request("12"));
  s.progress(w0, attempt("a", 1), 1, "1234");
  s.partial(w0, attempt("a", 1), 1, "1234");
  EXPECT_EQ(s.submit("b", job_script::request("1")), "queue_full");
  EXPECT_EQ(s.stream("a"), "1234");
  EXPECT_EQ(s.submit("b", job_script::request("1234")), "");
}

TEST(job_table_bounds, outputs_beyond_the_bound_are_forgotten_oldest_first) {
  job_limits l;
  l.kept_bytes_max = 10;
  job_script s{l};
  s.join(0);
  for (const auto* id : {"a", "b", "c"}) {
    s.submit(id);
    s.complete(w0, attempt(id, 1), "12345");
  }
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_EQ(s.state("b"), "COMPLETED");
  EXPECT_EQ(s.view("c").output.view(), "12345");
}

TEST(job_table_bounds, a_result_larger_than_the_bound_is_kept_until_the_next_one) {
  job_limits l;
  l.kept_bytes_max = 3;
  job_script s{l};
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1), "12345");
  EXPECT_EQ(s.state("a"), "COMPLETED") << "its client is about to ask for it";
  s.submit("b");
  s.complete(w0, attempt("b", 1), "1");
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_EQ(s.state("b"), "COMPLETED");
}

TEST(job_table_bounds, ended_jobs_are_bounded_in_number_whatever_their_end) {
  job_limits l;
  l.kept_jobs_max = 2;
  job_script s{l};
  for (const auto* id : {"a", "b", "c"}) {
    s.submit(id);
    s.cancel(id);
  }
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_EQ(s.state("b"), "CANCELLED");
  EXPECT_EQ(s.state("c"), "CANCELLED");
}

TEST(job_table_bounds, unread_chunks_are_bounded_in_bytes_and_the_newest_always_stays) {
  job_limits l;
  l.chunk_bytes_max = 4;
  job_script s{l};
  s.join(0);
  s.submit("a");
  for (std::uint32_t i = 1; i <= 3; ++i) {
    s.partial(w0, attempt("a", 1), i, ("x" + std::to_string(i)).c_str());
  }
  EXPECT_EQ(s.stream("a"), "x2x3");
  s.partial(w0, attempt("a", 1), 4, "123456");
  EXPECT_EQ(s.stream("a"), "123456");
}

TEST(job_table_bounds, many_jobs_that_expire_at_once_keep_the_bound) {
  job_limits l;
  l.kept_jobs_max = 3;
  l.ttl = milliseconds{10};
  job_script s{l};
  for (int i = 0; i < 10; ++i) {
    s.submit(("j" + std::to_string(i)).c_str());
  }
  s.pass(milliseconds{11});
  s.expire();
  EXPECT_EQ(s.state("j6"), "job_not_found");
  EXPECT_EQ(s.state("j9"), "TIMED_OUT");
}

TEST(job_table_bounds, the_one_that_ended_last_stays_also_when_two_end_in_one_moment) {
  job_limits l;
  l.max_attempts = 1;
  l.kept_bytes_max = 3;
  job_script s{l};
  s.join(job_script::worker(0), job_script::facts(1, true));
  s.submit("dies", job_script::request("12345"));
  s.pass(l.lease);
  s.submit("a");
  s.cancel("a");
  EXPECT_EQ(s.expire(), "dies FAILED (attempts_exhausted); revoke dies#1 from 0#1");
  EXPECT_EQ(s.state("dies"), "FAILED") << "larger than the bound, it is kept until the next one";
  EXPECT_EQ(s.state("a"), "job_not_found");
}

TEST(job_table_bounds, the_dead_list_is_bounded_by_itself) {
  job_limits l;
  l.max_attempts = 1;
  l.dead_max = 2;
  l.kept_jobs_max = 1;
  job_script s{l};
  for (const auto* id : {"a", "b", "c"}) {
    s.submit(id);
    s.join(0);
    s.lose(0, {errc::not_ready, ""});
  }
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_TRUE(s.detail("b").dead && s.detail("c").dead);
  EXPECT_EQ(s.table.counts().dead, 2u);
}

TEST(job_table_bounds, a_tenant_has_no_more_jobs_here_than_its_quota) {
  job_limits l;
  l.tenant_max = 2;
  job_script s{l};
  s.join(0);
  s.submit("a", job_script::of_tenant("t"));
  s.submit("b", job_script::of_tenant("t"));
  EXPECT_EQ(s.submit("c", job_script::of_tenant("t")), "quota_exceeded");
  EXPECT_EQ(s.state("c"), "job_not_found");
  EXPECT_EQ(s.submit("other", job_script::of_tenant("u")), "");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  EXPECT_EQ(s.submit("c", job_script::of_tenant("t")), "") << "one has ended";
  EXPECT_EQ(s.retry("a"), "quota_exceeded");
  s.cancel("c");
  EXPECT_EQ(s.retry("a"), "");
}

TEST(job_table_bounds, a_tenant_runs_no_more_jobs_than_it_may_and_the_next_goes_as_one_ends) {
  job_limits l;
  l.tenants["t"] = {.weight = 1, .running_max = 1};
  job_script s{l};
  s.join(job_script::worker(0), 2);
  s.submit("a", job_script::of_tenant("t"));
  EXPECT_EQ(s.submit("b", job_script::of_tenant("t")), "");
  EXPECT_EQ(s.why("b"), "quota");
  EXPECT_EQ(s.submit("other", job_script::of_tenant("u")),
            "other IN_PROGRESS (assigned); give other#1 to 0#1");
  s.complete(w0, attempt("other", 1));
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested); revoke a#1 from 0#1; "
                           "b IN_PROGRESS (assigned); give b#1 to 0#1")
      << "its engine is still at the cancelled one, and the worker has room for another";
}

} // namespace
} // namespace tayfa::testing
