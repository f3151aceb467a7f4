// The connection is cut before every single message of a commit, in both directions, and the server
// is killed: each batch is answered once, with what has become of it, and nothing acknowledged is
// lost. The store is compared with a perfect one (perfect_store.hpp).
#include "tests/unit/store/pg/cut_proxy.hpp"
#include "tests/unit/store/pg/support.hpp"
#include "tests/unit/store/workload.hpp"

#include <atomic>
#include <deque>
#include <future>

namespace tayfa::store::testing {
namespace {

using way = cut_proxy::way;

std::string text(const perfect_store& all) {
  return text_of(all.rows(), all.last_order());
}

/// Batches and their answers, beside the perfect store.
struct played {
  workload random;
  perfect_store acknowledged, issued;
  std::deque<batch> under_way;
  std::size_t refused = 0;
  std::string wrong;
  std::mutex mutex; ///< answers come from the store's thread
  std::condition_variable changed;
  explicit played(std::uint64_t seed) : random(seed) {}

  void ask(job_store& store) {
    batch next;
    {
      const std::lock_guard guard{mutex};
      next = random.next(issued);
      issued.apply(next);
      under_way.push_back(next);
    }
    store.commit(std::move(next), [this](const result<void>& done) {
      const std::lock_guard guard{mutex};
      if (done) {
        acknowledged.apply(under_way.front());
      } else if (done.error().code == errc::unavailable) {
        ++refused;
      } else {
        wrong = done.error().str();
      }
      under_way.pop_front();
      changed.notify_all();
    });
  }
  void wait() {
    std::unique_lock lock{mutex};
    changed.wait(lock, [this] { return under_way.empty(); });
    issued = acknowledged; // what was refused has not happened
  }
};

struct pg_cut : with_server {
  std::string text_of_store(const postgres_store_options& options) {
    auto reader = options;
    reader.url = server().url();
    reader.head.holder = fresh_name("p");
    const auto found = calls{*start(reader)}.open();
    return found ? text_of(found->rows, found->last_order) : found.error().str();
  }
};

/// The store finds out by itself what has become of the batch that was under way.
TEST_F(pg_cut, a_cut_before_any_message_of_a_commit_loses_nothing_and_repeats_nothing) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  pg_head::counters all;
  std::uint64_t cuts = 0;
  for (const auto direction : {way::to_server, way::to_client}) {
    schema = fresh_name("s");
    auto options = process();
    options.url = server().url(proxy.folder());
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    played play{7 + cuts};
    for (std::uint64_t nth = 1;; ++nth) {
      proxy.cut_before(direction, nth);
      for (int i = 0; i < 3; ++i) {
        play.ask(*store);
      }
      play.wait();
      ASSERT_EQ(play.wrong, "") << nth;
      if (!proxy.has_cut()) {
        break; // three batches need fewer messages
      }
      ++cuts;
    }
    proxy.cut_before(direction, 1'000'000);
    EXPECT_EQ(play.refused, 0U) << "they were tried again";
    const auto counts = store->counts();
    all.unknown_kept += counts.unknown_kept;
    all.unknown_lost += counts.unknown_lost;
    EXPECT_EQ(query("SELECT batch FROM heads"), std::to_string(counts.transactions))
        << "each transaction counts once";
    store.reset();
    EXPECT_EQ(text_of_store(options), text(play.acknowledged));
  }
  EXPECT_GT(cuts, 60U);
  EXPECT_GT(all.unknown_kept, 10U);
  EXPECT_GT(all.unknown_lost, 10U);
}

/// The process dies before it has found out: the next one finds what was acknowledged, and of the
/// batches under way the first few, each as a whole.
TEST_F(pg_cut, a_process_that_is_killed_after_a_cut_leaves_whole_batches) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  std::uint64_t kept = 0;
  std::uint64_t lost = 0;
  for (const auto direction : {way::to_server, way::to_client}) {
    for (std::uint64_t nth = 1; nth < 50; nth += 3) {
      schema = fresh_name("s");
      auto options = process();
      options.url = server().url(proxy.folder());
      auto store = start(options);
      ASSERT_TRUE(calls{*store}.open());
      played play{nth};
      for (int i = 0; i < 3; ++i) {
        play.ask(*store);
      }
      play.wait();
      proxy.refuse_after_cut();
      proxy.cut_before(direction, nth);
      while (!proxy.has_cut()) {
        play.ask(*store);
        play.ask(*store);
        std::unique_lock lock{play.mutex};
        play.changed.wait_for(lock, std::chrono::milliseconds{20},
                              [&] { return play.under_way.empty(); });
      }
      store.reset();
      proxy.refuse(false);
      ASSERT_EQ(play.wrong, "");
      const auto seen = text_of_store(options);
      auto expected = play.acknowledged;
      const auto before = play.under_way.size();
      while (text(expected) != seen && !play.under_way.empty()) {
        expected.apply(play.under_way.front());
        play.under_way.pop_front();
      }
      ASSERT_EQ(text(expected), seen) << nth << "\nacknowledged:\n" << text(play.acknowledged);
      ++(play.under_way.size() < before ? kept : lost);
    }
  }
  EXPECT_GT(kept, 3U);
  EXPECT_GT(lost, 3U);
}

TEST_F(pg_cut, while_the_end_of_a_batch_is_not_known_it_is_not_answered) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process();
  options.url = server().url(proxy.folder());
  options.patience = std::chrono::milliseconds{1};
  auto store = start(options);
  ASSERT_TRUE(calls{*store}.open());
  proxy.refuse_after_cut();
  proxy.cut_before(way::to_client, 1);
  std::promise<result<void>> answer;
  auto answered = answer.get_future();
  store->commit({accept(new_row(1))}, [&](auto done) { answer.set_value(done); });
  proxy.wait_for_cut();
  proxy.wait_for_refused(3);
  EXPECT_EQ(answered.wait_for(std::chrono::seconds{0}), std::future_status::timeout);
  ASSERT_TRUE(store->trouble());
  EXPECT_EQ(store->trouble()->code, errc::unavailable);
  EXPECT_FALSE(store->has_reserve());
  proxy.refuse(false);
  EXPECT_TRUE(answered.get());
  EXPECT_FALSE(store->trouble());
  EXPECT_EQ(query("SELECT count(*) FROM states"), "1");
}

TEST_F(pg_cut, without_a_database_batches_are_refused_and_reads_as_well_until_it_is_back) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process();
  options.url = server().url(proxy.folder());
  options.patience = std::chrono::milliseconds{50};
  options.head.lease = std::chrono::milliseconds{600};
  auto store = start(options);
  ASSERT_TRUE(calls{*store}.open());
  ASSERT_TRUE(calls{*store}.commit({accept(new_row(1))}));
  ASSERT_TRUE(calls{*store}.fetch(1, job_store::column::input));
  proxy.refuse(true); // nothing was under way, so nothing is unknown
  const auto refused = calls{*store}.commit({accept(new_row(2))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unavailable);
  EXPECT_EQ(calls{*store}.commit({}).error().code, errc::unavailable);
  EXPECT_EQ(calls{*store}.fetch(1, job_store::column::input).error().code, errc::unavailable);
  EXPECT_TRUE(store->trouble());
  proxy.refuse(false);
  // The queue asks again every half second; here as often as it is answered.
  while (!calls{*store}.commit({accept(new_row(2))})) {
  }
  EXPECT_FALSE(store->trouble());
  EXPECT_TRUE(calls{*store}.fetch(2, job_store::column::input));
  EXPECT_EQ(query("SELECT count(*) FROM states"), "2");
}

/// Its last words come before the end of the connection, and nothing was under way.
TEST_F(pg_cut, a_connection_that_the_server_ended_leaves_no_batch_unknown) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process();
  options.url = server().url(proxy.folder());
  options.patience = std::chrono::milliseconds{1};
  auto store = start(options);
  ASSERT_TRUE(calls{*store}.open());
  query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tayfa'");
  proxy.refuse_new_and_wait();
  const auto refused = calls{*store}.commit({accept(new_row(1))});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unavailable);
  EXPECT_EQ(store->counts().unknown_lost, 0U);
}

TEST_F(pg_cut, a_server_that_is_killed_under_load_loses_nothing_that_was_acknowledged) {
  tayfa::testing::postgres_server own;
  auto options = process();
  options.url = own.url();
  options.changes_per_commit = 8;
  played play{3};
  {
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 200; ++i) {
        play.ask(*store);
      }
      { // in the middle of them
        std::unique_lock lock{play.mutex};
        play.changed.wait(lock, [&] { return play.under_way.size() < 150; });
      }
      own.kill();
      own.start();
      play.ask(*store);
      play.wait();
      ASSERT_EQ(play.wrong, "");
    }
    EXPECT_EQ(play.refused, 0U);
    EXPECT_GE(store->counts().sessions, 4U);
  }
  auto reader = options;
  reader.head.holder = fresh_name("p");
  const auto found = calls{*start(reader)}.open();
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_EQ(text_of(found->rows, found->last_order), text(play.acknowledged));
}

TEST_F(pg_cut, a_database_that_has_lost_acknowledged_batches_ends_the_store) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process();
  options.url = server().url(proxy.folder());
  auto store = start(options);
  ASSERT_TRUE(calls{*store}.open());
  ASSERT_TRUE(calls{*store}.commit({accept(new_row(1))}));
  ASSERT_TRUE(calls{*store}.commit({accept(new_row(2))}));
  query("UPDATE heads SET batch = batch - 1"); // as after a failover to a standby that was behind
  proxy.refuse(true);
  proxy.refuse(false);
  const auto late = calls{*store}.commit({accept(new_row(3))});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, errc::store_failed);
  EXPECT_NE(late.error().text.find("has lost acknowledged jobs"), std::string::npos)
      << late.error().text;
}

TEST_F(pg_cut, another_database_under_the_same_address_ends_the_store) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process();
  options.url = server().url(proxy.folder());
  auto store = start(options);
  ASSERT_TRUE(calls{*store}.open());
  query("UPDATE meta SET cluster = 'other'");
  proxy.refuse(true);
  proxy.refuse(false);
  const auto late = calls{*store}.commit({accept(new_row(1))});
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().text.find("another database"), std::string::npos) << late.error().text;
}

} // namespace
} // namespace tayfa::store::testing
