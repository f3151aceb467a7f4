// A client's change that could not be made durable is undone: the job is as before, and the store's
// rows stay true.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using ::testing::HasSubstr;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

struct undo : ::testing::Test {
  durable_script s{limits()};

  static job_limits limits() {
    job_limits l;
    l.tenant_max = 5;
    return l;
  }
  job_table::job_image image(const char* id) { return s.table.image(job_id{id}).value(); }
  std::string put_back(const job_table::job_image& before, bool unsent = false) {
    s.refuse();
    const auto then = s.table.put_back(s.now, before, unsent);
    EXPECT_THAT(s.table.audit(), ::testing::IsEmpty());
    return text_of(then);
  }
  job_state state(const char* id) { return s.table.find(s.now, job_id{id}).value().state; }
  /// Committed, died, and started again: what the next process has.
  void expect_durable(const char* id, job_state wanted) {
    s.commit();
    durable_script next{limits()};
    s.restart(next);
    EXPECT_EQ(next.table.find(next.now, job_id{id}).value().state, wanted);
  }
};

TEST_F(undo, a_cancel_of_a_waiting_job) {
  s.submit("a", s.request("[1]"), true);
  s.submit("b");
  s.commit();
  const auto before = image("a");
  s.cancel("a");
  EXPECT_EQ(put_back(before), "");
  EXPECT_EQ(state("a"), job_state::IN_QUEUE);
  EXPECT_TRUE(s.table.durable(job_id{"a"})) << "the store has it so: it can be asked for";
  EXPECT_EQ(s.table.counts().cancelled, 0U);
  EXPECT_THAT(s.join(0), HasSubstr("give a#1")) << "it has its place again, before b";
  expect_durable("b", job_state::IN_QUEUE);
  EXPECT_THAT(s.complete(w0, attempt("a", 1)), HasSubstr("watched"));
}

TEST_F(undo, a_cancel_of_a_running_job_costs_it_no_attempt) {
  s.join(0);
  s.submit("a");
  s.commit();
  const auto before = image("a");
  s.cancel("a");
  EXPECT_THAT(put_back(before), HasSubstr("revoke a#1")) << "its engine is at it still";
  EXPECT_EQ(state("a"), job_state::IN_QUEUE);
  EXPECT_EQ(s.table.held(slot_id{0}), 1U);
  s.complete(w0, attempt("a", 1));
  EXPECT_EQ(state("a"), job_state::IN_PROGRESS) << "the old attempt is fenced, and made room";
  EXPECT_EQ(s.table.find(s.now, job_id{"a"})->attempts, 2U);
}

TEST_F(undo, a_cancel_whose_attempt_never_left) {
  s.submit("a");
  s.commit();
  const auto before = image("a");
  s.cancel("a");
  EXPECT_EQ(put_back(before, true), "");
  s.join(0);
  EXPECT_EQ(s.table.held(slot_id{0}), 1U);
}

TEST_F(undo, a_retry_with_what_was_decided_since) {
  s.join(0);
  s.submit("a");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  s.commit();
  const auto before = image("a");
  EXPECT_THAT(s.retry("a"), HasSubstr("give a#2"));
  EXPECT_EQ(put_back(before, true), "");
  EXPECT_EQ(state("a"), job_state::FAILED);
  EXPECT_EQ(s.table.held(slot_id{0}), 0U) << "the attempt was never sent";
  EXPECT_EQ(s.table.counts().failed, 1U);
  EXPECT_FALSE(s.table.has_changes());
  expect_durable("a", job_state::FAILED);
}

TEST_F(undo, a_drop) {
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1));
  s.commit();
  const auto before = image("a");
  s.drop("a");
  EXPECT_FALSE(s.table.find(s.now, job_id{"a"}));
  EXPECT_EQ(put_back(before), "");
  EXPECT_EQ(state("a"), job_state::COMPLETED);
  expect_durable("a", job_state::COMPLETED);
}

TEST_F(undo, a_purge) {
  for (const char* const id : {"a", "b", "c"}) {
    s.submit(id, s.request("[1]"));
  }
  s.commit();
  s.table.purge(s.now);
  EXPECT_EQ(s.table.counts().in_queue, 0U);
  s.refuse();
  s.table.stop_purges();
  const auto undone = s.table.undo_purge_step(s.now);
  EXPECT_EQ(undone.jobs, (std::set{job_id{"a"}, job_id{"b"}, job_id{"c"}}));
  EXPECT_EQ(undone.of_purge, (std::map<std::uint64_t, std::size_t>{{1, 3}}));
  EXPECT_EQ(text_of(undone.then), "");
  EXPECT_THAT(s.table.audit(), ::testing::IsEmpty());
  EXPECT_EQ(s.table.counts().in_queue, 3U);
  EXPECT_EQ(s.table.counts().cancelled, 0U);
  EXPECT_THAT(s.join(0), HasSubstr("give a#1"));
  expect_durable("c", job_state::IN_QUEUE);
}

TEST_F(undo, only_the_step_of_a_purge_that_is_not_durable) {
  durable_script t{[] {
    auto l = limits();
    l.step_rows = 2;
    l.tenant_max = 0;
    return l;
  }()};
  for (const char* const id : {"a", "b", "c", "d", "e"}) {
    t.submit(id);
  }
  t.commit();
  t.table.purge(t.now);
  t.commit();
  t.expire();
  t.refuse();
  EXPECT_EQ(text_of(t.table.stop_purges()), "purged 4 of more");
  const auto undone = t.table.undo_purge_step(t.now);
  EXPECT_EQ(undone.jobs, (std::set{job_id{"c"}, job_id{"d"}}));
  EXPECT_EQ(undone.of_purge, (std::map<std::uint64_t, std::size_t>{{1, 2}}));
  EXPECT_EQ(t.state("b"), "CANCELLED");
  EXPECT_EQ(t.state("c"), "IN_QUEUE");
  EXPECT_EQ(t.state("e"), "IN_QUEUE");
  t.commit();
  EXPECT_EQ(t.expire(), "") << "the purge is over";
  EXPECT_TRUE(t.table.undo_purge_step(t.now).jobs.empty());
}

TEST_F(undo, a_wish_to_keep) {
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1));
  s.commit();
  const auto before = s.table.kept_until(job_id{"a"});
  s.table.keep(s.now, job_id{"a"}, std::chrono::hours{5});
  EXPECT_NE(s.table.kept_until(job_id{"a"}), before);
  s.refuse();
  s.table.keep_as_before(job_id{"a"}, before);
  EXPECT_EQ(s.table.kept_until(job_id{"a"}), before);
  EXPECT_THAT(s.table.audit(), ::testing::IsEmpty());
}

// ---- damaged rows -------------------------------------------------------------------------------

TEST(job_table_damaged, a_damaged_row_is_written_anew_and_never_runs_again) {
  durable_script s;
  store::job_row row;
  row.order = 3;
  row.id = job_id{"a"};
  row.request = s.request("");
  row.submitted = s.now;
  row.state = job_state::FAILED;
  row.failure = error{errc::store_corrupt, "damaged"};
  row.damaged = true;
  std::vector<store::job_row> rows{row};
  s.table.restore(s.now, rows, 3);
  EXPECT_TRUE(s.table.audit().empty());
  EXPECT_TRUE(s.table.has_changes());
  const auto batch = s.table.take_changes();
  ASSERT_EQ(batch.size(), 1U);
  const auto& put = std::get<store::put>(batch[0]);
  EXPECT_EQ(put.which, store::part_state | store::part_output | store::part_chunks |
                           store::part_input_released);
  const auto again = s.table.retry(s.now, job_id{"a"});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::wrong_state);
}

TEST(job_table_damaged, a_platform_that_gives_it_again_hears_that_it_failed) {
  durable_script s;
  store::job_row row;
  row.order = 3;
  row.id = job_id{"a"};
  row.request = s.taken("a", "");
  row.submitted = s.now;
  row.state = job_state::FAILED;
  row.failure = error{errc::store_corrupt, "damaged"};
  row.damaged = true;
  s.table.restore(s.now, {row}, 3);
  EXPECT_THAT(s.submit("a", s.taken("a")), HasSubstr("deliver p-a of a FAILED"));
}

} // namespace
} // namespace tayfa::testing
