#include "runtime/core/jobs/made_bytes.hpp"
#include "tests/unit/core/job_script.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

const auto w0 = job_script::worker(0);
const auto w1 = job_script::worker(1);
const auto w2 = job_script::worker(2);

attempt_ref attempt(const char* id, std::uint32_t number) {
  return {job_id{id}, number};
}

TEST(made_bytes, the_largest_job_of_the_largest_tenant_is_named) {
  made_bytes made;
  EXPECT_EQ(made.largest(), std::nullopt);
  made.set("a", 1, 50);
  made.set("b", 2, 30);
  made.set("b", 3, 31);
  EXPECT_EQ(made.total(), 111U);
  EXPECT_EQ(made.largest(), 3U) << "b holds more than a, though none of its jobs does";
  made.set("b", 3, 0);
  EXPECT_EQ(made.largest(), 1U);
  made.set("a", 1, 0);
  EXPECT_EQ(made.largest(), 2U);
  made.set("b", 2, 0);
  EXPECT_EQ(made.largest(), std::nullopt);
  EXPECT_EQ(made.total(), 0U);
}

job_request of_tenant(const char* name) {
  job_request r;
  r.input = shared_text{"1"};
  r.policy.tenant = name;
  return r;
}

/// Each chunk costs 128 bytes and its text.
TEST(made_bytes, the_largest_holder_loses_its_oldest_chunks_and_learns_how_many) {
  job_limits limits;
  limits.made_bytes_max = 700;
  job_script s{limits};
  s.join(0);
  s.join(1);
  s.join(2);
  for (const auto* id : {"a1", "a2"}) {
    ASSERT_TRUE(s.table.submit(s.now, job_id{id}, of_tenant("greedy"), false));
  }
  ASSERT_TRUE(s.table.submit(s.now, job_id{"b"}, of_tenant("modest"), false));
  s.partial(w2, attempt("b", 1), 1, "one");
  for (std::uint32_t i = 1; i <= 4; ++i) {
    s.partial(w0, attempt("a1", 1), i, std::to_string(i).c_str());
    s.partial(w1, attempt("a2", 1), i, std::to_string(i).c_str());
  }
  EXPECT_TRUE(s.table.audit().empty());
  EXPECT_EQ(s.look("b"), "one") << "the other tenant keeps what it has";
  const auto kept = s.look("a1") + s.look("a2");
  EXPECT_EQ(kept.size(), 4U) << kept;
  EXPECT_EQ(kept.find('1'), std::string::npos) << "the oldest went first";
  EXPECT_EQ(s.view("a1").dropped_chunks + s.view("a2").dropped_chunks, 4U);
  EXPECT_EQ(s.view("b").dropped_chunks, 0U);
  EXPECT_EQ(s.table.counts().chunks_dropped, 4U);
  EXPECT_EQ(s.table.inspect(s.now, job_id{"a1"})->view.dropped_chunks, s.view("a1").dropped_chunks);
}

TEST(made_bytes, progress_counts_as_well_and_goes_when_there_are_no_chunks) {
  job_limits limits;
  limits.made_bytes_max = 20;
  job_script s{limits};
  s.join(0);
  s.join(1);
  s.submit("a");
  s.submit("b");
  protocol::progress p;
  p.attempt = attempt("a", 1);
  p.sequence = 1;
  p.payload = shared_text{"123456789012"};
  EXPECT_TRUE(s.table.progressed(s.now, w0, p).current);
  p.attempt = attempt("b", 1);
  p.payload = shared_text{"123456789"};
  EXPECT_TRUE(s.table.progressed(s.now, w1, p).current);
  EXPECT_TRUE(s.table.audit().empty());
  EXPECT_TRUE(s.view("a").output.empty());
  EXPECT_EQ(s.view("b").output.view(), "123456789");
}

TEST(made_bytes, what_has_ended_holds_nothing_of_it) {
  job_limits limits;
  limits.made_bytes_max = 300;
  job_script s{limits};
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  s.partial(w0, attempt("a", 1), 2, "y");
  s.complete(w0, attempt("a", 1));
  s.submit("b");
  s.partial(w0, attempt("b", 1), 1, "v");
  s.partial(w0, attempt("b", 1), 2, "w");
  EXPECT_EQ(s.look("a"), "xy");
  EXPECT_EQ(s.look("b"), "vw");
}

// ---- what a reader has not received it has not read --------------------------------------------

TEST(received_chunks, what_was_not_received_is_given_again) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  EXPECT_EQ(s.look("a"), "x");
  s.partial(w0, attempt("a", 1), 2, "y");
  EXPECT_EQ(s.look("a"), "xy") << "its first answer was lost";
  s.partial(w0, attempt("a", 1), 3, "z");
  s.table.chunks_received(job_id{"a"}, s.last_looked);
  EXPECT_EQ(s.look("a"), "z") << "only what was in that answer goes";
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(s.look("a"), "z");
  s.table.chunks_received(job_id{"a"}, s.last_looked);
  EXPECT_EQ(s.look("a"), "");
}

TEST(received_chunks, two_readers_at_once_lose_nothing) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  EXPECT_EQ(s.look("a"), "x");
  const auto first = s.last_looked;
  s.partial(w0, attempt("a", 1), 2, "y");
  EXPECT_EQ(s.look("a"), "xy");
  const auto second = s.last_looked;
  s.table.chunks_received(job_id{"a"}, second);
  s.partial(w0, attempt("a", 1), 3, "z");
  s.table.chunks_received(job_id{"a"}, first);
  EXPECT_EQ(s.look("a"), "z") << "an older answer that arrives later takes nothing more";
}

TEST(received_chunks, an_answer_of_a_lost_attempt_takes_nothing_of_the_next_one) {
  job_script s;
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "old");
  EXPECT_EQ(s.look("a"), "old");
  const auto last = s.last_looked;
  s.lose(0);
  s.pass(milliseconds{200});
  s.expire();
  s.join(job_script::worker(0, 2));
  s.partial(job_script::worker(0, 2), attempt("a", 2), 1, "new");
  s.table.chunks_received(job_id{"a"}, last);
  EXPECT_EQ(s.look("a"), "new");
}

TEST(received_chunks, a_dropped_chunk_is_not_taken_for_a_received_one) {
  job_limits limits;
  limits.chunks_max = 2;
  job_script s{limits};
  s.join(0);
  s.submit("a");
  s.partial(w0, attempt("a", 1), 1, "1");
  s.partial(w0, attempt("a", 1), 2, "2");
  EXPECT_EQ(s.look("a"), "12");
  s.partial(w0, attempt("a", 1), 3, "3"); // drops the first
  s.table.chunks_received(job_id{"a"}, s.last_looked);
  EXPECT_EQ(s.look("a"), "3");
  EXPECT_EQ(s.view("a").dropped_chunks, 1U);
}

} // namespace
} // namespace tayfa::testing
