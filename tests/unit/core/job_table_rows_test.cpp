// Rows that the table passes to the store, its behaviour when the store fails, and its state
// restored from rows.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const auto w0 = job_script::worker(0);
const auto w1 = job_script::worker(1);
const auto attempt = &job_script::attempt;

// ---- what is noted ------------------------------------------------------------------------------

TEST(job_table_rows, without_a_store_nothing_is_noted) {
  job_script s;
  s.submit("a");
  EXPECT_FALSE(s.table.has_changes());
  EXPECT_THAT(s.table.take_changes(), IsEmpty());
}

TEST(job_table_rows, a_row_is_taken_once_as_it_is_then) {
  durable_script s;
  s.submit("a");
  s.join(0);
  EXPECT_FALSE(s.table.durable(job_id{"a"}));
  auto batch = s.table.take_changes();
  ASSERT_THAT(batch, SizeIs(1));
  const auto& p = std::get<store::put>(batch[0]);
  EXPECT_EQ(p.row.state, job_state::IN_PROGRESS);
  EXPECT_EQ(p.which & store::part_request, store::part_request);
  EXPECT_FALSE(s.table.durable(job_id{"a"})) << "in flight";
  s.complete(w0, attempt("a", 1));
  s.table.committed();
  EXPECT_FALSE(s.table.durable(job_id{"a"})) << "it has changed since";
  batch = s.table.take_changes();
  ASSERT_THAT(batch, SizeIs(1));
  EXPECT_EQ(std::get<store::put>(batch[0]).which & store::part_request, 0);
  s.table.committed();
  EXPECT_TRUE(s.table.durable(job_id{"a"}));
  EXPECT_FALSE(s.table.has_changes());
}

TEST(job_table_rows, progress_and_chunks_of_a_running_job_are_not_worth_a_write) {
  durable_script s;
  s.join(0);
  s.submit("a");
  s.commit();
  s.started(w0, attempt("a", 1));
  s.progress(w0, attempt("a", 1), 1, "half");
  s.partial(w0, attempt("a", 1), 1, "x");
  EXPECT_FALSE(s.table.has_changes());
}

TEST(job_table_rows, the_row_of_a_job_that_has_not_ended_has_no_output) {
  durable_script s;
  s.join(0);
  s.submit("a");
  s.started(w0, attempt("a", 1));
  s.progress(w0, attempt("a", 1), 1, "half");
  const auto image = s.table.image(job_id{"a"});
  ASSERT_TRUE(image);
  EXPECT_EQ(image->row.output.view(), "");
  EXPECT_EQ(image->row.output_bytes, 0u) << "an empty output of some bytes is one that is stored";
}

TEST(job_table_rows, a_forgotten_job_is_erased_and_one_that_was_never_stored_is_not) {
  durable_script s;
  s.submit("a");
  s.commit();
  s.cancel("a");
  s.drop("a");
  s.submit("b");
  s.cancel("b");
  s.drop("b");
  const auto batch = s.table.take_changes();
  ASSERT_THAT(batch, SizeIs(1));
  EXPECT_EQ(std::get<store::erase>(batch[0]).order, 1u);
}

TEST(job_table_rows, a_job_dropped_while_its_row_is_in_flight_is_erased_behind_it) {
  durable_script s;
  s.submit("a");
  s.cancel("a");
  const auto first = s.table.take_changes();
  s.drop("a");
  s.disk.apply(first);
  s.table.committed();
  EXPECT_EQ(s.disk.size(), 1u);
  s.commit();
  EXPECT_EQ(s.disk.size(), 0u);
}

TEST(job_table_rows, large_texts_leave_memory_once_they_are_durable) {
  job_limits l;
  l.spill_above = 4;
  durable_script s{l};
  s.submit("a", job_script::request("123456"));
  s.commit();
  const auto effects = s.table.worker_joined(s.now, w0, job_script::facts());
  const auto& g = std::get<assign_attempt>(effects.at(1));
  EXPECT_TRUE(g.message.input.empty());
  EXPECT_EQ(g.stored_input, 1u);
  s.complete(w0, attempt("a", 1), "654321");
  EXPECT_EQ(s.view("a").output.view(), "654321") << "still on its way";
  s.commit();
  EXPECT_TRUE(s.view("a").output.empty());
  EXPECT_EQ(s.view("a").stored_output, 1u);
}

// ---- a disk that is full ------------------------------------------------------------------------

TEST(job_table_rows, what_could_not_be_stored_never_was) {
  job_limits l;
  l.tenant_max = 1;
  durable_script s{l};
  s.join(0);
  auto r = job_script::keyed("key");
  r.policy.tenant = "t";
  EXPECT_THAT(s.submit("a", r), HasSubstr("give a#1"));
  s.submit("b");
  s.commit(); // both are stored
  s.complete(w0, attempt("a", 1));
  s.cancel("b");
  s.stopped(w0, attempt("b", 1));
  s.commit();
  r.policy.idempotency_key = "other";
  EXPECT_THAT(s.submit("c", r), HasSubstr("give c#1 to 0#1"));
  EXPECT_EQ(s.submit("d"), "");
  EXPECT_EQ(s.refuse(), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(s.withdraw({"c", "d"}), "") << "d does not get the worker that c had";
  EXPECT_EQ(s.table.held(slot_id{0}), 0u) << "no worker was asked to run it";
  EXPECT_EQ(s.state("c"), "job_not_found");
  EXPECT_THAT(s.table.take_changes(), IsEmpty());
  s.table.committed();
  EXPECT_THAT(s.submit("c", r), HasSubstr("give c#1 to 0#1")) << "key, quota and id are free";
}

TEST(job_table_rows, a_withdrawn_job_gives_its_worker_to_the_next) {
  durable_script s;
  s.submit("stored");
  s.commit();
  auto urgent = job_script::request();
  urgent.policy.priority = job_policy::priority_max;
  s.submit("a", urgent);
  s.join(0);
  EXPECT_EQ(s.refuse(), std::vector<std::string>{"a"});
  EXPECT_EQ(s.withdraw({"a"}), "stored IN_PROGRESS (assigned); give stored#1 to 0#1");
}

TEST(job_table_rows, a_job_cancelled_before_it_was_stored_leaves_no_attempt_behind) {
  durable_script s;
  s.join(0);
  s.submit("a");
  EXPECT_EQ(s.cancel("a"), "a CANCELLED (cancel_requested); revoke a#1 from 0#1");
  EXPECT_EQ(s.refuse(), std::vector<std::string>{"a"});
  s.withdraw({"a"});
  EXPECT_EQ(s.table.held(slot_id{0}), 0u) << "neither give nor revoke ever left";
  EXPECT_EQ(s.table.counts().cancelled, 0u);
  EXPECT_THAT(s.submit("b"), HasSubstr("give b#1 to 0#1"));
}

TEST(job_table_rows, what_was_stored_before_is_not_withdrawn_but_put_again) {
  durable_script s;
  s.join(0);
  s.submit("a");
  s.commit();
  s.complete(w0, attempt("a", 1), "7");
  EXPECT_THAT(s.refuse(), IsEmpty());
  EXPECT_EQ(s.withdraw({"a"}), "");
  EXPECT_EQ(s.state("a"), "COMPLETED");
  s.commit();
  EXPECT_EQ(s.disk.by_order().at(1).output.view(), "7");
}

TEST(job_table_rows, an_erasure_that_was_not_stored_is_asked_for_again) {
  durable_script s;
  s.submit("a");
  s.cancel("a");
  s.commit();
  s.drop("a");
  EXPECT_FALSE(s.table.durable(job_id{"a"}));
  EXPECT_THAT(s.refuse(), IsEmpty());
  s.commit();
  EXPECT_EQ(s.disk.size(), 0u);
  EXPECT_TRUE(s.table.durable(job_id{"a"}));
}

// ---- a restart ----------------------------------------------------------------------------------

TEST(job_table_rows, after_a_restart_everything_stands_as_it_was_stored) {
  job_limits l;
  l.max_attempts = 2;
  durable_script s{l};
  s.join(0);
  s.submit("done");
  s.partial(w0, attempt("done", 1), 1, "x");
  s.complete(w0, attempt("done", 1), "42");
  s.submit("dead", job_script::request("[1]"));
  s.stopped(w0, attempt("dead", 1));
  s.pass(milliseconds{100});
  s.expire();
  s.stopped(w0, attempt("dead", 2));
  s.submit("runs");
  s.submit("waits", job_script::keyed("key"));
  s.commit();
  s.submit("too late");
  durable_script t{l};
  EXPECT_EQ(s.restart(t), "runs IN_QUEUE (attempt_lost)");
  EXPECT_THAT(t.table.audit(), IsEmpty());
  EXPECT_EQ(t.view("done").output.view(), "42");
  EXPECT_EQ(t.stream("done"), "x");
  EXPECT_EQ(t.view("dead").failure->code, errc::max_attempts);
  EXPECT_EQ(t.detail("dead").history, s.detail("dead").history);
  EXPECT_EQ(t.table.counts().dead, 1u);
  EXPECT_EQ(t.state("too late"), "job_not_found") << "no client learned that it was accepted";
  EXPECT_EQ(t.submit("again", job_script::keyed("key")), "again waits");
  EXPECT_EQ(t.submit("other", job_script::keyed("key", "[2]")), "idempotency_mismatch");
  EXPECT_THAT(t.join(0), HasSubstr("give waits#1"));
  t.pass(milliseconds{100});
  t.expire();
  EXPECT_THAT(t.complete(w0, attempt("waits", 1)), HasSubstr("give runs#2")) << "the number grows";
  const auto again = t.table.retry(t.now, job_id{"dead"});
  ASSERT_TRUE(again);
  EXPECT_THAT(t.complete(w0, attempt("runs", 2)), HasSubstr("give dead#3"));
}

TEST(job_table_rows, a_job_that_runs_at_every_death_of_the_runtime_ends_all_the_same) {
  job_limits l;
  l.max_attempts = 2;
  durable_script s{l};
  s.join(0);
  s.submit("a");
  s.commit();
  durable_script t{l};
  EXPECT_EQ(s.restart(t), "a IN_QUEUE (attempt_lost)");
  t.commit();
  t.pass(milliseconds{100});
  t.join(0);
  t.expire();
  t.commit();
  durable_script u{l};
  EXPECT_EQ(t.restart(u), "a FAILED (attempts_exhausted)");
  EXPECT_TRUE(u.detail("a").dead);
}

TEST(job_table_rows, a_suspect_stays_one_and_its_kills_are_remembered) {
  job_limits l;
  l.max_attempts = 9;
  l.solo_crashes_max = 2;
  durable_script s{l};
  s.join(0);
  s.submit("a");
  s.lose(0);
  s.commit();
  durable_script t{l};
  EXPECT_EQ(s.restart(t), "");
  t.pass(milliseconds{100});
  t.expire();
  EXPECT_THAT(t.join(w0, 2), HasSubstr("give a#2"));
  EXPECT_EQ(t.submit("b"), "") << "a suspect runs alone";
  EXPECT_EQ(t.lose(0), "a FAILED (poisoned)");
}

TEST(job_table_rows, a_retried_job_keeps_its_new_time_to_live_over_a_restart) {
  durable_script s;
  auto r = job_script::request("[3]");
  r.policy.ttl = seconds{20};
  s.submit("a", r);
  s.pass(seconds{30});
  s.expire();
  s.commit();
  s.retry("a");
  s.commit();
  s.pass(seconds{10});
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.next(), seconds{10});
  EXPECT_EQ(t.expire(), "");
  EXPECT_EQ(t.detail("a").lives, 2u);
  EXPECT_EQ(t.detail("a").age, seconds{40});
  EXPECT_EQ(t.detail("a").input_bytes, 3u);
}

TEST(job_table_rows, a_delayed_start_and_a_backoff_go_on_after_a_restart) {
  durable_script s;
  auto r = job_script::request();
  r.policy.delay = seconds{10};
  s.submit("later", r);
  s.commit();
  s.pass(seconds{4});
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.join(0), "");
  EXPECT_EQ(t.next(), seconds{6});
  t.pass(seconds{6});
  EXPECT_THAT(t.expire(), HasSubstr("give later#1"));
}

TEST(job_table_rows, a_webhook_that_was_open_is_tried_again_but_never_beyond_its_bound) {
  job_limits l;
  l.hook_tries = 1;
  durable_script s{l};
  auto r = job_script::request();
  r.webhook = "https://h/";
  s.submit("a", r);
  EXPECT_THAT(s.cancel("a"), HasSubstr("notify https://h/ of a CANCELLED try 1"));
  s.commit();
  durable_script t{l};
  s.restart(t);
  EXPECT_EQ(t.expire(), "notify https://h/ of a CANCELLED try 1")
      << "the outcome of the try is unknown, so it is made again";
  t.notified("a", true);
  t.commit();
  durable_script u{l};
  t.restart(u);
  EXPECT_EQ(u.expire(), "") << "delivered";
}

TEST(job_table_rows, orders_and_with_them_the_ids_of_rows_are_never_used_again) {
  durable_script s;
  s.submit("a");
  s.commit();
  s.cancel("a");
  s.drop("a");
  s.commit();
  durable_script t;
  s.restart(t);
  t.submit("b");
  t.commit();
  EXPECT_EQ(t.disk.by_order().begin()->first, 2u);
}

TEST(job_table_rows, a_tenant_pays_nothing_for_the_time_its_job_spent_in_a_dead_runtime) {
  durable_script s;
  s.submit("a", job_script::of_tenant("t"));
  s.pass(std::chrono::hours{2});
  s.join(0);
  s.commit();
  durable_script t;
  s.restart(t);
  for (const auto* id : {"u1", "u2", "u3"}) {
    t.submit(id, job_script::of_tenant("u"));
  }
  t.pass(milliseconds{100});
  t.expire();
  t.join(w0, 2);
  EXPECT_EQ(t.state("a"), "IN_PROGRESS") << "its tenant has its turn among the first two";
}

} // namespace
} // namespace tayfa::testing
