// Pending deliveries to platforms, remote workers' jobs, and results with extended retention, over
// restarts and with a store that refuses.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

TEST(job_table_delivery_rows,
     a_result_to_deliver_is_brought_after_a_restart_with_the_whole_result) {
  durable_script s;
  s.join(0);
  s.take("a");
  s.partial(w0, attempt("a", 1), 1, "x");
  protocol::finished f;
  f.attempt = attempt("a", 1);
  f.output = shared_text{"42"};
  f.refresh_worker = true;
  s.table.finished(s.now, w0, f);
  s.posted("a", false);
  s.commit();
  durable_script t;
  EXPECT_EQ(s.restart(t), "");
  EXPECT_EQ(t.table.undelivered(), 1u);
  EXPECT_EQ(t.drop("a"), "wrong_state");
  t.pass(t.next());
  const auto then = t.table.expire(t.now);
  ASSERT_EQ(text_of(then), "deliver p-a of a COMPLETED try 2 refresh");
  const auto& o = std::get<deliver_result>(then[0]);
  EXPECT_EQ(o.view.output.view(), "42");
  ASSERT_EQ(o.chunks.size(), 1u);
  EXPECT_EQ(o.chunks[0].view(), "x");
  t.posted("a", true);
  t.commit();
  durable_script u;
  t.restart(u);
  EXPECT_EQ(u.table.undelivered(), 0u);
  EXPECT_EQ(u.expire(), "") << "delivered";
  EXPECT_EQ(u.view("a").output.view(), "42");
}

TEST(job_table_delivery_rows, a_post_that_was_on_its_way_is_made_again_and_the_pauses_begin_anew) {
  durable_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  for (int i = 0; i < 6; ++i) {
    s.posted("a", false);
    s.pass(s.next());
    s.expire();
  }
  s.commit();
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.expire(), "deliver p-a of a COMPLETED try 2")
      << "the outcome of the last try is unknown";
  t.posted("a", false);
  EXPECT_EQ(t.next(), seconds{1});
}

TEST(job_table_delivery_rows, live_jobs_of_a_platform_go_on_after_a_restart) {
  job_limits l;
  l.max_attempts = 1;
  durable_script s{l};
  s.join(0);
  s.take("runs");
  s.take("waits");
  s.commit();
  durable_script t{l};
  EXPECT_EQ(s.restart(t), "runs FAILED (attempts_exhausted); deliver p-runs of runs FAILED try 1")
      << "it may not run once more";
  EXPECT_THAT(t.table.audit(), IsEmpty());
  EXPECT_FALSE(t.detail("runs").dead);
  const auto live = t.table.origins();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].second, "p-waits");
  EXPECT_EQ(t.take("waits"), "again waits");
  EXPECT_THAT(t.join(0), HasSubstr("give waits#1"));
}

TEST(job_table_delivery_rows, a_second_life_is_durable_and_its_first_result_is_not_delivered) {
  durable_script s;
  s.join(0);
  s.submit("a", job_script::taken("a", "[5]"));
  s.commit();
  s.stop("a");
  s.commit();
  s.stopped(w0, attempt("a", 1));
  EXPECT_THAT(s.take("a"), HasSubstr("give a#2"));
  s.commit();
  durable_script t;
  EXPECT_EQ(s.restart(t), "a IN_QUEUE (attempt_lost)");
  EXPECT_EQ(t.table.undelivered(), 1u) << "it lives";
  t.pass(seconds{1});
  t.expire();
  const auto then = t.table.worker_joined(t.now, w0, job_script::facts());
  const auto& g = std::get<assign_attempt>(then.at(1));
  EXPECT_EQ(to_string(g.message.attempt), "a#3");
  EXPECT_EQ(g.message.input.view(), "[5]") << "the input outlives the stop";
}

TEST(job_table_delivery_rows, a_cancelled_job_of_this_pod_still_lets_go_of_its_input) {
  durable_script s;
  s.submit("here");
  s.take("taken");
  s.cancel("here");
  s.cancel("taken");
  s.commit();
  EXPECT_EQ(s.disk.rows().at(0).input_bytes, 0u);
  EXPECT_EQ(s.disk.rows().at(1).input_bytes, 2u);
  EXPECT_EQ(s.detail("here").input_bytes, 0u);
  EXPECT_EQ(s.detail("taken").input_bytes, 2u);
}

TEST(job_table_delivery_rows, a_result_given_again_has_its_time_over_a_restart_too) {
  job_limits l;
  l.ttl = seconds{60};
  durable_script s{l};
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", true);
  s.pass(minutes{20});
  EXPECT_EQ(s.take("a"), "again a; deliver p-a of a COMPLETED try 1");
  s.commit();
  durable_script t{l};
  s.restart(t);
  const auto then = t.table.expire(t.now);
  ASSERT_EQ(text_of(then), "deliver p-a of a COMPLETED try 2");
  EXPECT_EQ(std::get<deliver_result>(then[0]).left, minutes{10});
}

TEST(job_table_delivery_rows, a_result_given_again_is_reported_only_after_its_commit) {
  durable_script s;
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1));
  s.posted("a", true);
  s.commit();
  EXPECT_TRUE(s.table.durable(job_id{"a"}));
  s.take("a");
  EXPECT_FALSE(s.table.durable(job_id{"a"})) << "that it is undelivered is a change";
}

TEST(job_table_delivery_rows, the_result_of_a_job_that_could_not_be_stored_is_not_delivered) {
  durable_script s;
  s.join(0);
  s.take("runs");
  s.take("waits");
  s.cancel("waits");
  EXPECT_THAT(s.refuse(), ElementsAre("runs", "waits"));
  EXPECT_EQ(s.withdraw({"runs", "waits"}), "");
  EXPECT_EQ(s.table.undelivered(), 0u);
  EXPECT_TRUE(s.table.origins().empty());
  EXPECT_EQ(s.posted("waits", true), "");
  EXPECT_THAT(s.take("runs"), HasSubstr("give runs#1")) << "the platform may give it once more";
}

TEST(job_table_delivery_rows, an_end_that_could_not_be_stored_is_still_delivered) {
  durable_script s;
  s.join(0);
  s.take("a");
  s.commit();
  s.complete(w0, attempt("a", 1));
  EXPECT_THAT(s.refuse(), IsEmpty());
  EXPECT_EQ(s.table.undelivered(), 1u);
  s.commit();
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.expire(), "deliver p-a of a COMPLETED try 2");
}

TEST(job_table_delivery_rows, a_wish_to_keep_a_result_outlives_the_runtime) {
  durable_script s;
  s.join(0);
  s.submit("a");
  s.complete(w0, attempt("a", 1), "42");
  s.commit();
  s.table.keep(s.now, job_id{"a"}, hours{2});
  EXPECT_TRUE(s.table.has_changes());
  s.commit();
  s.pass(hours{1});
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.expire(), "");
  EXPECT_EQ(t.view("a").output.view(), "42");
  EXPECT_EQ(t.next(), hours{1});
  t.table.keep(t.now, job_id{"a"}, seconds{1});
  EXPECT_FALSE(t.table.has_changes()) << "a shorter wish is no change";
}

TEST(job_table_delivery_rows, the_name_of_a_remote_worker_is_remembered) {
  durable_script s;
  s.join(job_script::remote(0), job_script::asking(1));
  s.submit("a");
  s.complete(job_script::remote(0), attempt("a", 1), "42");
  s.join(job_script::remote(0), job_script::asking(1));
  s.submit("b");
  s.join(job_script::remote(0), job_script::asking(1));
  s.commit();
  durable_script t;
  EXPECT_EQ(s.restart(t), "b IN_QUEUE (attempt_lost)");
  EXPECT_EQ(t.view("a").worker, "their worker");
  EXPECT_EQ(t.view("b").worker, "their worker");
  EXPECT_EQ(t.detail("a").history.at(0).worker, "their worker");
  t.pass(seconds{1});
  t.expire();
  t.join(0);
  EXPECT_EQ(t.view("b").worker, "slot-0");
}

/// A job was alone in an engine that ended, and the runtime starts anew before it runs again.
struct lone_kill : durable_script {
  void run_on(worker_ref w, worker_facts f) {
    join(w, std::move(f));
    submit("a");
    lose(w.place(), {errc::engine_crash, "signal 11"});
    commit();
  }
};

TEST(job_table_delivery_rows, the_identity_of_a_worker_is_in_the_row) {
  lone_kill s;
  s.run_on(job_script::worker(4, 7), job_script::facts());
  EXPECT_EQ(s.disk.rows().at(0).holder, job_script::worker(4, 7));
  EXPECT_EQ(s.disk.rows().at(0).worker, "slot-4");
}

TEST(job_table_delivery_rows, a_job_leaves_the_slot_that_it_was_alone_in_after_a_restart_too) {
  lone_kill s;
  s.run_on(w0, job_script::facts());
  durable_script t;
  s.restart(t);
  t.join(0);
  t.join(1);
  t.pass(seconds{1});
  t.expire();
  EXPECT_EQ(t.view("a").worker, "slot-1");
}

TEST(job_table_delivery_rows, a_remote_worker_that_calls_itself_after_a_slot_is_none_of_this_pod) {
  lone_kill s;
  auto f = job_script::asking(1);
  f.name = "slot-0";
  s.run_on(job_script::remote(0), f);
  EXPECT_EQ(s.disk.rows().at(0).holder, job_script::remote(0));
  durable_script t;
  s.restart(t);
  EXPECT_EQ(t.view("a").worker, "slot-0") << "its name is for people";
  t.join(0);
  t.join(1);
  t.pass(seconds{1});
  t.expire();
  EXPECT_EQ(t.view("a").worker, "slot-0") << "the first of those that are free";
  EXPECT_EQ(t.detail("a").history.size(), 1U);
  EXPECT_EQ(t.state("a"), "IN_PROGRESS");
}

TEST(job_table_delivery_rows, secrets_and_origins_are_in_the_row) {
  durable_script s;
  auto r = job_script::taken("a");
  r.s3_config = R"({"accessSecret":"x"})";
  s.submit("a", r);
  s.commit();
  EXPECT_EQ(s.disk.rows().at(0).request.origin, "p-a");
  durable_script t;
  s.restart(t);
  const auto then = t.table.worker_joined(t.now, w0, job_script::facts());
  EXPECT_EQ(std::get<assign_attempt>(then.at(1)).message.s3_config, r.s3_config);
}

} // namespace
} // namespace tayfa::testing
