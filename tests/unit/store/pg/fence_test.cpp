// Two processes and one head: which one may commit, what the other one hears, when it may begin.
#include "runtime/base/wakeup.hpp"
#include "tests/unit/store/pg/cut_proxy.hpp"
#include "tests/unit/store/pg/support.hpp"

#include <future>

namespace tayfa::store::testing {
namespace {

struct pg_fence : with_server {
  std::string jobs() { return query("SELECT string_agg(job::text, ' ' ORDER BY job) FROM states"); }
};

TEST_F(pg_fence, a_head_whose_process_lives_is_locked_for_another_one) {
  auto options = process();
  options.head.lease = std::chrono::milliseconds{900};
  auto first = start(options);
  ASSERT_TRUE(calls{*first}.open());
  auto other = process();
  const auto refused = calls{*start(other)}.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::store_locked);
  EXPECT_NE(refused.error().text.find(options.head.address), std::string::npos)
      << refused.error().text;
  EXPECT_TRUE(calls{*first}.commit({accept(new_row(1))})) << "and nothing has happened to it";
}

TEST_F(pg_fence, a_process_that_was_killed_is_waited_for_until_its_lease_is_over) {
  auto options = process();
  options.head.lease = std::chrono::milliseconds{700};
  {
    auto killed = start(options);
    ASSERT_TRUE(calls{*killed}.open());
    ASSERT_TRUE(calls{*killed}.commit({accept(new_row(1))}));
  }
  auto options_of_next = process();
  options_of_next.head.boot = "of another machine";
  auto next = start(options_of_next);
  const auto found = calls{*next}.open();
  ASSERT_TRUE(found) << found.error().str();
  ASSERT_EQ(found->rows.size(), 1U);
  // The wait has not moved the time of the jobs.
  const auto apart = found->rows[0].submitted - new_row(1).submitted;
  EXPECT_LT(std::chrono::abs(apart), std::chrono::milliseconds{300});
}

TEST_F(pg_fence, the_next_process_of_the_same_data_folder_need_not_wait) {
  auto options = process();
  auto old = start(options); // its folder's lock is gone, and it does not know
  ASSERT_TRUE(calls{*old}.open());
  ASSERT_TRUE(calls{*old}.commit({accept(new_row(1))}));
  auto options_of_next = process();
  options_of_next.head.instance = options.head.instance;
  auto next = start(options_of_next);
  ASSERT_TRUE(calls{*next}.open()) << "although the lease has 60 s left";

  const auto late = calls{*old}.commit({accept(new_row(2))});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, errc::store_failed);
  EXPECT_NE(late.error().text.find("taken over"), std::string::npos) << late.error().text;
  EXPECT_NE(late.error().text.find(options_of_next.head.address), std::string::npos)
      << late.error().text;
  EXPECT_EQ(calls{*old}.commit({}).error().code, errc::store_failed) << "for good";
  EXPECT_EQ(jobs(), "1");
  EXPECT_TRUE(calls{*next}.commit({accept(new_row(3))}));
  EXPECT_EQ(jobs(), "1 3");
}

TEST_F(pg_fence, a_closed_store_leaves_its_head_at_once) {
  auto first = start(process());
  ASSERT_TRUE(calls{*first}.open());
  calls{*first}.close();
  EXPECT_TRUE(calls{*start(process())}.open()) << "although the lease had 60 s left";
}

TEST_F(pg_fence, a_batch_that_waited_for_the_fence_writes_nothing_after_a_takeover) {
  auto options = process();
  auto old = start(options);
  ASSERT_TRUE(calls{*old}.open());
  // The other process holds the head's row while the old one's transaction comes to its fence.
  std::promise<result<void>> late;
  tayfa::testing::postgres_transaction other{server(), "SET search_path = " + schema +
                                                           "; UPDATE heads SET epoch = epoch + 1, "
                                                           "holder = 'another'"};
  old->commit({accept(new_row(1))}, [&](auto done) { late.set_value(done); });
  server().wait_for_lock();
  other.commit();
  EXPECT_EQ(late.get_future().get().error().code, errc::store_failed);
  EXPECT_EQ(jobs(), "");
}

/// The connection was cut, and what was sent over it reaches the server only now.
TEST_F(pg_fence, a_transaction_that_arrives_late_is_fenced_by_the_next_connection) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  const auto address = pg_address::parse(server().url(proxy.folder())).value();
  const auto stop = make_wakeup();
  pg_head head{address, time, stop, process().head, [](auto) { return true; }};
  ASSERT_TRUE(head.open());
  const batch first = {accept(new_row(1))};
  const auto* const one = &first;
  auto group = head.group({&one, 1});
  for (const std::uint64_t nth : {1U, 2U, 5U}) { // before BEGIN, in it, before the fence
    const auto before = head.counts().unknown_lost;
    proxy.hold_before(nth);
    ASSERT_EQ(head.try_commit(group).how, pg_head::tried::unknown);
    ASSERT_EQ(head.renew().how, pg_head::tried::done) << "a new connection: it was not committed";
    EXPECT_EQ(head.counts().unknown_lost, before + 1);
    const auto answers = proxy.release_held();
    EXPECT_NE(answers.find('E'), std::string::npos) << answers;
    EXPECT_EQ(query("SELECT batch FROM heads"), "0") << "the late one changed nothing";
  }
  ASSERT_EQ(head.try_commit(group).how, pg_head::tried::done) << "and does not stand in the way";
  EXPECT_EQ(query("SELECT batch FROM heads"), "1");
  EXPECT_EQ(jobs(), "1");
}

TEST_F(pg_fence, a_takeover_is_found_without_a_commit) {
  auto options = process();
  options.head.lease = std::chrono::milliseconds{300};
  auto old = start(options);
  std::promise<error> found;
  old->on_failure([&](const error& why) { found.set_value(why); });
  ASSERT_TRUE(calls{*old}.open());
  query("UPDATE heads SET epoch = epoch + 1, holder = 'another', address = 'host 9'");
  const auto why = found.get_future().get();
  EXPECT_EQ(why.code, errc::store_failed);
  EXPECT_NE(why.text.find("host 9"), std::string::npos) << why.text;
}

TEST_F(pg_fence, the_lease_is_trusted_less_than_the_database_grants_it) {
  manual_time clock; // goes on while the process is stopped
  auto options = process();
  options.head.real = &clock;
  options.head.lease = std::chrono::seconds{60};
  options.head.margin = std::chrono::seconds{10};
  postgres_store store{time, random, options};
  ASSERT_TRUE(calls{store}.open());
  clock.pass(std::chrono::seconds{49});
  EXPECT_TRUE(store.holds_lease());
  clock.pass(std::chrono::seconds{1});
  EXPECT_FALSE(store.holds_lease());
  ASSERT_TRUE(calls{store}.commit({}));
  EXPECT_TRUE(store.holds_lease()) << "each commit renews it";
}

TEST_F(pg_fence, each_head_numbers_its_jobs_in_a_range_of_its_own) {
  auto one = start(process("one"));
  auto two = start(process("two"));
  EXPECT_EQ(calls{*one}.open().value().last_order, 0U);
  EXPECT_EQ(calls{*two}.open().value().last_order, std::uint64_t{1} << 40);
}

TEST_F(pg_fence, a_number_of_another_heads_job_ends_the_store_that_uses_it) {
  auto one = start(process("one"));
  auto two = start(process("two"));
  ASSERT_TRUE(calls{*one}.open());
  ASSERT_TRUE(calls{*two}.open());
  ASSERT_TRUE(calls{*one}.commit({accept(new_row(1))}));
  auto other = new_row(1);
  other.id = job_id{"other"};
  const auto done = calls{*two}.commit({accept(other)});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, errc::store_failed);
  EXPECT_NE(done.error().text.find("another head"), std::string::npos) << done.error().text;
  EXPECT_EQ(query("SELECT convert_from(id, 'UTF8') FROM requests"), "job-1");
  // Changes of rows that are another head's change nothing, as if the rows were gone.
  auto three = start(process("three"));
  ASSERT_TRUE(calls{*three}.open());
  ASSERT_TRUE(calls{*three}.commit({accept(new_row((std::uint64_t{2} << 40) + 1))}));
  EXPECT_TRUE(calls{*three}.commit({state_of(completed(new_row(1), "[1]"), part_output)}));
  EXPECT_TRUE(calls{*three}.commit({erase{1}}));
  EXPECT_EQ(query("SELECT state FROM states WHERE job = 1"), "0");
  EXPECT_EQ(query("SELECT count(*) FROM results"), "0");
}

TEST_F(pg_fence, an_id_or_a_key_that_another_head_has_refuses_its_batch_alone) {
  auto one = start(process("one"));
  auto two = start(process("two"));
  ASSERT_TRUE(calls{*one}.open());
  const auto base = calls{*two}.open().value().last_order;
  auto first = new_row(1);
  first.request.policy.idempotency_key = "key";
  ASSERT_TRUE(calls{*one}.commit({accept(first)}));

  auto same_key = new_row(base + 1);
  same_key.request.policy.idempotency_key = "key";
  auto same_id = new_row(base + 2);
  same_id.id = first.id;
  std::vector<std::promise<result<void>>> answers(4);
  const auto ask = [&](std::size_t i, job_row row) {
    two->commit({accept(std::move(row))}, [&answers, i](auto done) { answers[i].set_value(done); });
  };
  ask(0, new_row(base + 3));
  ask(1, same_key);
  ask(2, same_id);
  ask(3, new_row(base + 4));
  EXPECT_TRUE(answers[0].get_future().get());
  for (const std::size_t i : {1U, 2U}) {
    const auto refused = answers[i].get_future().get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unavailable) << refused.error().text;
  }
  EXPECT_TRUE(answers[3].get_future().get());
  EXPECT_FALSE(two->trouble()) << "the database is there";
  EXPECT_EQ(query("SELECT count(*) FROM requests"), "3");
  // The key is free again when its job is gone.
  ASSERT_TRUE(calls{*one}.commit({erase{1}}));
  EXPECT_TRUE(calls{*two}.commit({accept(same_key)}));
  EXPECT_EQ(query("SELECT count(*) FROM idempotency"), "1");
}

} // namespace
} // namespace tayfa::store::testing
