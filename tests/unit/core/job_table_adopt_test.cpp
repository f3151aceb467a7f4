// Jobs of a head that has died enter the table of one that lives.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;
constexpr std::uint64_t range = std::uint64_t{1} << 40; ///< of the numbers of one head

/// The rows that the head has committed, numbered from its range on.
std::vector<store::job_row> rows_of(const durable_script& dead, std::uint64_t from = range) {
  auto rows = dead.disk.rows();
  for (auto& each : rows) {
    each.order += from;
  }
  return rows;
}
std::string adopt(durable_script& s, std::vector<store::job_row> rows) {
  auto out = text_of(s.table.adopt(s.now, std::move(rows)));
  EXPECT_THAT(s.table.audit(), IsEmpty());
  return out;
}

TEST(job_table_adopt, adopted_jobs_stand_as_they_did_and_what_ran_is_lost) {
  durable_script dead;
  dead.join(0);
  dead.submit("done");
  dead.complete(w0, attempt("done", 1), "42");
  dead.submit("runs");
  dead.submit("waits", job_script::keyed("key"));
  dead.commit();

  durable_script s;
  s.submit("mine");
  s.commit();
  EXPECT_EQ(adopt(s, rows_of(dead)), "runs IN_QUEUE (attempt_lost)");
  EXPECT_EQ(s.view("done").output.view(), "42");
  EXPECT_EQ(s.submit("again", job_script::keyed("key")), "again waits");
  EXPECT_EQ(s.detail("runs").history.size(), 1U);
  // The change that follows is written under its number.
  ASSERT_EQ(s.commit(), 1U);
  EXPECT_EQ(s.disk.by_order().count(range + 2), 0U) << "a changed row that the store has elsewhere";
}

TEST(job_table_adopt, an_idle_worker_gets_an_adopted_job_at_once) {
  durable_script dead;
  dead.submit("waits");
  dead.commit();
  durable_script s;
  s.join(0);
  EXPECT_THAT(adopt(s, rows_of(dead)), HasSubstr("give waits#1 to 0#1"));
}

TEST(job_table_adopt, the_next_number_is_of_the_heads_own_range) {
  durable_script dead;
  dead.submit("theirs");
  dead.commit();
  durable_script s;
  s.submit("a");
  s.commit();
  adopt(s, rows_of(dead));
  s.submit("b");
  s.commit();
  EXPECT_EQ(s.disk.last_order(), 2U);
  // Likewise after a restart, when the rows of both ranges are its own.
  auto rows = s.disk.rows();
  for (auto& each : rows_of(dead)) {
    rows.push_back(std::move(each));
  }
  durable_script next;
  next.now = s.now;
  next.table.restore(next.now, rows, 2);
  next.submit("c");
  next.commit();
  EXPECT_EQ(next.disk.last_order(), 3U);
}

TEST(job_table_adopt, a_purge_means_adopted_jobs_and_none_that_come_after_it) {
  job_limits l;
  l.step_rows = 1;
  durable_script dead{l};
  dead.submit("theirs");
  dead.commit();
  durable_script s{l};
  s.submit("mine");
  s.commit();
  adopt(s, rows_of(dead));
  EXPECT_EQ(s.purge(), "mine CANCELLED (cancel_requested)") << "the first step";
  s.submit("new");
  s.commit();
  EXPECT_EQ(s.expire(), "theirs CANCELLED (cancel_requested); purged 2");
  EXPECT_EQ(s.state("new"), "IN_QUEUE") << "its number is below that of the adopted one";
}

TEST(job_table_adopt, a_purge_does_not_mean_jobs_that_are_adopted_while_it_goes_on) {
  job_limits l;
  l.step_rows = 1;
  durable_script mine{l};
  for (const char* id : {"a", "b", "c"}) {
    mine.submit(id);
  }
  mine.commit();
  durable_script s{l};
  s.now = mine.now;
  auto rows = rows_of(mine, 0);
  for (auto& each : rows) {
    each.order *= 10;
  }
  s.table.restore(s.now, rows, 30);
  durable_script dead{l};
  dead.submit("theirs");
  dead.commit();
  s.purge();                   // its first step has ended a job
  adopt(s, rows_of(dead, 24)); // its number is among those that the purge has to come to
  s.commit();
  for (int i = 0; i < 8; ++i) {
    s.expire();
    s.commit();
  }
  EXPECT_EQ(s.state("b"), "CANCELLED");
  EXPECT_EQ(s.state("c"), "CANCELLED");
  EXPECT_EQ(s.state("theirs"), "IN_QUEUE");
}

TEST(job_table_adopt, webhooks_that_wait_are_called_and_timers_go_on) {
  durable_script dead;
  dead.join(0);
  auto hooked = job_script::request();
  hooked.webhook = "http://hook";
  dead.submit("done", hooked);
  dead.complete(w0, attempt("done", 1), "1");
  auto later = job_script::request();
  later.policy.delay = milliseconds{500};
  dead.submit("later", later);
  dead.commit();

  durable_script s;
  s.join(0);
  s.now = dead.now;
  const auto first = adopt(s, rows_of(dead));
  s.commit();
  EXPECT_EQ(s.state("later"), "IN_QUEUE");
  s.pass(milliseconds{500});
  const auto then = s.expire();
  EXPECT_THAT(then, HasSubstr("give later#1"));
  EXPECT_THAT(first + then, HasSubstr("notify http://hook of done COMPLETED"));
}

TEST(job_table_adopt, more_jobs_than_the_queue_takes_are_adopted_all_the_same) {
  job_limits l;
  l.queue_max = 2;
  durable_script dead;
  for (const char* id : {"a", "b", "c", "d"}) {
    dead.submit(id);
  }
  dead.commit();
  durable_script s{l};
  adopt(s, rows_of(dead));
  EXPECT_EQ(s.state("d"), "IN_QUEUE");
  EXPECT_EQ(s.submit("mine"), "queue_full");
}

TEST(job_table_adopt, a_job_that_is_here_already_is_not_taken_twice) {
  durable_script dead;
  dead.submit("a");
  dead.commit();
  durable_script s;
  adopt(s, rows_of(dead));
  EXPECT_EQ(adopt(s, rows_of(dead)), "");
  EXPECT_EQ(s.table.counts().in_queue, 1U);
}

} // namespace
} // namespace tayfa::testing
