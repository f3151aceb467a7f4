// Jobs of a head whose lease is over go to the heads that live, each job to one of them.
#include "tests/unit/store/pg/cut_proxy.hpp"
#include "tests/unit/store/pg/support.hpp"

#include <set>

namespace tayfa::store::testing {
namespace {

constexpr std::uint64_t jobs = 2'500;

struct pg_adoption : with_server {
  /// A head that has accepted jobs, every fifth of which has ended, and was killed.
  void leave_jobs(const std::string& name) {
    auto options = process(name);
    options.head.lease = std::chrono::milliseconds{300};
    auto dead = start(options);
    const auto base = calls{*dead}.open().value().last_order;
    batch all;
    for (std::uint64_t i = 1; i <= jobs; ++i) {
      all.emplace_back(
          accept(i % 5 == 0 ? completed(new_row(base + i), "[1]") : new_row(base + i)));
    }
    ASSERT_TRUE(calls{*dead}.commit(std::move(all)));
    dead.reset();
    // The server may still be at its last renewal of the lease.
    while (query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tayfa'") != "0") {
    }
    query("UPDATE heads SET lease_until = now() - interval '1 second' WHERE name = '" + name + "'");
  }
};

TEST_F(pg_adoption, jobs_of_a_dead_head_are_taken_in_batches_the_unended_first) {
  leave_jobs("dead");
  auto heir = start(process("heir"));
  ASSERT_TRUE(calls{*heir}.open());
  std::set<std::uint64_t> orders;
  std::vector<std::size_t> sizes;
  std::size_t unended = 0;
  for (;;) {
    const auto taken = adopt(*heir, 1'000);
    ASSERT_TRUE(taken) << taken.error().str();
    if (taken->from.empty()) {
      break;
    }
    EXPECT_EQ(taken->from, "dead");
    sizes.push_back(taken->rows.size());
    for (const auto& row : taken->rows) {
      EXPECT_TRUE(orders.insert(row.order).second);
      // Its moments are those of the heir's clock now, which is the database's to within its
      // round trips.
      EXPECT_LT(std::chrono::abs(row.submitted - new_row(row.order).submitted),
                std::chrono::milliseconds{500});
      const auto given = new_row(row.order, row.submitted);
      EXPECT_EQ(text_of(row), text_of(row.order % 5 == 0 ? completed(given, "[1]") : given));
      unended += is_final(row.state) ? 0 : 1;
    }
    if (sizes.size() <= 2) {
      EXPECT_EQ(unended, 1'000 * sizes.size()) << "what must run again comes first";
    }
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1'000, 1'000, 500}));
  EXPECT_EQ(orders.size(), jobs);

  // They are the heir's now: it changes them, and finds them again.
  ASSERT_TRUE(calls{*heir}.commit({state_of(completed(new_row(1), "[2]"), part_output), erase{2}}));
  EXPECT_EQ(query("SELECT count(*) FROM states WHERE owner = 2"), std::to_string(jobs - 1));
  EXPECT_EQ(calls{*heir}.fetch(1, job_store::column::output).value().view(), "[2]");
}

TEST_F(pg_adoption, a_process_whose_jobs_were_taken_commits_nothing_more) {
  auto options = process("asleep");
  options.head.lease = std::chrono::hours{1}; // it does not look for itself in this test
  auto asleep = start(options);
  ASSERT_TRUE(calls{*asleep}.open());
  ASSERT_TRUE(calls{*asleep}.commit({accept(new_row(1))}));
  query("UPDATE heads SET lease_until = now() - interval '1 second'");
  auto heir = start(process("heir"));
  ASSERT_TRUE(calls{*heir}.open());
  ASSERT_EQ(adopt(*heir, 10).value().rows.size(), 1U);

  const auto late = calls{*asleep}.commit({state_of(completed(new_row(1), "[9]"), part_output)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, errc::store_failed);
  EXPECT_EQ(query("SELECT count(*) FROM results"), "0");
  // Its next process has an empty head.
  auto next = start(process("asleep"));
  EXPECT_TRUE(calls{*next}.open().value().rows.empty());
  EXPECT_TRUE(calls{*next}.commit({accept(new_row(2))}));
}

TEST_F(pg_adoption, a_head_that_lives_keeps_its_jobs) {
  auto alive = start(process("alive"));
  ASSERT_TRUE(calls{*alive}.open());
  ASSERT_TRUE(calls{*alive}.commit({accept(new_row(1))}));
  auto other = start(process("other"));
  ASSERT_TRUE(calls{*other}.open());
  EXPECT_EQ(adopt(*other, 10).value().from, "");
  EXPECT_TRUE(calls{*alive}.commit({accept(new_row(2))}));
}

/// Its process has it again just when another head begins to take its jobs.
TEST_F(pg_adoption, a_head_that_comes_back_meanwhile_keeps_its_jobs) {
  leave_jobs("dead");
  auto heir = start(process("heir"));
  ASSERT_TRUE(calls{*heir}.open());
  tayfa::testing::postgres_transaction back{
      server(), "SET search_path = " + schema +
                    "; UPDATE heads SET epoch = epoch + 1, holder = 'back', lease_until = "
                    "clock_timestamp() + interval '1 hour' WHERE name = 'dead'"};
  std::promise<result<adopted_jobs>> answer;
  heir->adopt(10, [&](auto taken) { answer.set_value(std::move(taken)); });
  server().wait_for_lock();
  back.commit();
  const auto taken = answer.get_future().get();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, errc::unavailable) << taken.error().text;
  EXPECT_EQ(query("SELECT count(*) FROM states WHERE owner = 1"), std::to_string(jobs));
  EXPECT_EQ(adopt(*heir, 10).value().from, "") << "and nothing has happened to the other head";
}

TEST_F(pg_adoption, two_heads_that_take_at_once_take_each_job_once) {
  leave_jobs("dead");
  auto one = start(process("one"));
  auto two = start(process("two"));
  ASSERT_TRUE(calls{*one}.open());
  ASSERT_TRUE(calls{*two}.open());
  std::multiset<std::uint64_t> orders;
  for (bool more = true; more;) {
    std::promise<result<adopted_jobs>> first;
    std::promise<result<adopted_jobs>> second;
    one->adopt(200, [&](auto taken) { first.set_value(std::move(taken)); });
    two->adopt(200, [&](auto taken) { second.set_value(std::move(taken)); });
    more = false;
    for (auto* const each : {&first, &second}) {
      const auto taken = each->get_future().get();
      if (!taken) {
        EXPECT_EQ(taken.error().code, errc::unavailable) << taken.error().str();
        more = true;
        continue;
      }
      more = more || !taken->from.empty();
      for (const auto& row : taken->rows) {
        orders.insert(row.order);
      }
    }
  }
  EXPECT_EQ(orders.size(), jobs);
  EXPECT_EQ(std::set<std::uint64_t>(orders.begin(), orders.end()).size(), jobs);
  EXPECT_EQ(query("SELECT count(*) FROM states WHERE owner = 1"), "0");
}

/// A database that was away has kept every head from renewing: the first one that is back must not
/// take the others for dead.
TEST_F(pg_adoption, a_head_is_dead_only_on_a_connection_that_is_old_enough) {
  leave_jobs("dead");
  manual_time clock;
  auto options = process("heir");
  options.head.real = &clock;
  options.head.lease = std::chrono::seconds{60};
  options.head.adopt_after = {}; // a lease
  auto heir = start(options);
  ASSERT_TRUE(calls{*heir}.open());
  EXPECT_EQ(adopt(*heir, 10).value().from, "");
  clock.pass(std::chrono::seconds{59});
  EXPECT_EQ(adopt(*heir, 10).value().from, "");
  clock.pass(std::chrono::seconds{1});
  EXPECT_EQ(adopt(*heir, 10).value().from, "dead");
}

TEST_F(pg_adoption, a_head_is_dead_only_when_its_lease_is_the_same_at_a_second_look) {
  leave_jobs("dead");
  manual_time clock;
  auto options = process("heir");
  options.head.real = &clock;
  options.head.adopt_recheck = std::chrono::seconds{1};
  auto heir = start(options);
  ASSERT_TRUE(calls{*heir}.open());
  EXPECT_EQ(adopt(*heir, 10).value().from, "") << "the first look";
  clock.pass(std::chrono::seconds{1});
  query("UPDATE heads SET lease_until = now() - interval '1 millisecond' WHERE name = 'dead'");
  EXPECT_EQ(adopt(*heir, 10).value().from, "") << "it has renewed since, and is late again";
  clock.pass(std::chrono::milliseconds{999});
  EXPECT_EQ(adopt(*heir, 10).value().from, "");
  clock.pass(std::chrono::milliseconds{1});
  EXPECT_EQ(adopt(*heir, 10).value().from, "dead");
}

/// The connection is cut at every message of an adoption: each job comes once, and none is owned
/// without having been given out.
TEST_F(pg_adoption, a_cut_connection_loses_no_job_and_gives_none_twice) {
  leave_jobs("dead");
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process("heir");
  options.url = server().url(proxy.folder());
  auto heir = start(options);
  ASSERT_TRUE(calls{*heir}.open());
  std::multiset<std::uint64_t> orders;
  const auto take = [&] {
    const auto taken = adopt(*heir, 100);
    if (!taken) {
      EXPECT_EQ(taken.error().code, errc::unavailable) << taken.error().str();
      return;
    }
    for (const auto& row : taken->rows) {
      orders.insert(row.order);
    }
  };
  for (const auto way : {cut_proxy::way::to_server, cut_proxy::way::to_client}) {
    for (std::uint64_t nth = 1; nth <= 16; ++nth) {
      proxy.cut_before(way, nth);
      take();
    }
  }
  proxy.cut_before(cut_proxy::way::to_server, 0);
  for (int i = 0; i < 40; ++i) {
    take();
  }
  EXPECT_EQ(orders.size(), jobs);
  EXPECT_EQ(std::set<std::uint64_t>(orders.begin(), orders.end()).size(), jobs);
}

TEST_F(pg_adoption, heads_are_listed_with_their_jobs) {
  leave_jobs("dead");
  auto alive = start(process("alive"));
  ASSERT_TRUE(calls{*alive}.open());
  std::promise<result<std::vector<pg_head::view>>> answer;
  alive->heads([&](auto list) { answer.set_value(std::move(list)); });
  const auto list = answer.get_future().get();
  ASSERT_TRUE(list) << list.error().str();
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ((*list)[0].name, "dead");
  EXPECT_FALSE((*list)[0].lives);
  EXPECT_EQ((*list)[0].jobs, static_cast<std::int64_t>(jobs));
  EXPECT_EQ((*list)[1].name, "alive");
  EXPECT_TRUE((*list)[1].lives);
  EXPECT_EQ((*list)[1].jobs, 0);
}

} // namespace
} // namespace tayfa::store::testing
