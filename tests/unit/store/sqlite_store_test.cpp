// The durable store on a real folder: what was committed is found again.
#include "tests/unit/store/support.hpp"

#include <atomic>
#include <sqlite3.h>
#include <thread>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

using std::chrono::milliseconds;

struct sqlite_store_test : ::testing::Test {
  temp_folder folder;
  manual_time time;

  std::unique_ptr<sqlite_store> make(std::string boot = "boot-1") {
    return std::make_unique<sqlite_store>(
        time, sqlite_store_options{.folder = folder.path(), .boot = std::move(boot)});
  }
};

job_row row_with_everything() {
  job_row row = new_row(7);
  row.fingerprint = 0xfedcba9876543210;
  row.request = {.endpoint = "tayfa",
                 .model = "sd15",
                 .shape = "512x512",
                 .input = shared_text{std::string("{\"a\":\"\0\xff\"}", 10)},
                 .policy = {.execution_timeout = milliseconds{5000},
                            .ttl = milliseconds{60000},
                            .priority = 9,
                            .deadline = milliseconds{7000},
                            .delay = milliseconds{10},
                            .tenant = "team",
                            .idempotency_key = "key 1"},
                 .webhook = "https://example.org/hook",
                 .s3_config = R"({"bucketName":"b","accessSecret":"s"})",
                 .origin = "the platform's/own id",
                 .sync = true};
  row.input_bytes = row.request.input.size();
  row.state = job_state::FAILED;
  row.attempts = 4;
  row.lives = 2;
  row.attempts_before = 3;
  row.solo_crashes = 1;
  row.suspect = true;
  row.dead = true;
  row.not_before = row.submitted + milliseconds{11};
  row.retried = row.submitted + milliseconds{10};
  row.ended = row.submitted + milliseconds{99};
  row.worker = "slot-3";
  row.holder = {slot_id{3}, std::uint64_t{1} << 40, node_id{2}};
  row.lasting_name = "tayfa/box-3/team";
  row.given = row.submitted + milliseconds{15};
  row.streamed = true;
  row.failure = error{errc::max_attempts, "three crashes \xff"};
  row.delay = milliseconds{12};
  row.execution = milliseconds{13};
  row.history = {{.number = 1,
                  .worker = "slot-0",
                  .given = milliseconds{1},
                  .began = milliseconds{2},
                  .ended = milliseconds{3},
                  .failure = error{errc::engine_crash, "signal \"11\""}},
                 {.number = 2,
                  .worker = "",
                  .given = milliseconds{4},
                  .began = {},
                  .ended = milliseconds{5},
                  .failure = {}}};
  row.hook_tries = 2;
  row.hook_open = true;
  row.refresh = true;
  row.dropped_chunks = 7;
  row.keep_until = row.submitted + milliseconds{500};
  row.output = shared_text{"[1,2]"};
  row.output_bytes = 5;
  row.chunks = {chunk{"\"one\""}, chunk{}, chunk{"3:x"}};
  return row;
}

TEST_F(sqlite_store_test, every_field_comes_back_after_a_kill) {
  const auto row = row_with_everything();
  {
    auto store = make();
    const calls call{*store};
    ASSERT_TRUE(call.open());
    ASSERT_TRUE(call.commit({accept(row)}));
  }
  auto store = make();
  const auto found = calls{*store}.open();
  ASSERT_TRUE(found) << found.error().str();
  ASSERT_EQ(found->rows.size(), 1U);
  EXPECT_EQ(text_of(found->rows[0]), text_of(row));
  EXPECT_EQ(found->last_order, 7U);
}

TEST_F(sqlite_store_test, orders_of_erased_rows_stay_taken) {
  {
    auto store = make();
    const calls call{*store};
    ASSERT_TRUE(call.open());
    ASSERT_TRUE(call.commit({accept(new_row(1)), accept(new_row(2))}));
    ASSERT_TRUE(call.commit({erase{2}}));
    call.close();
  }
  auto store = make();
  const auto found = calls{*store}.open();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->rows.size(), 1U);
  EXPECT_EQ(found->last_order, 2U);
}

TEST_F(sqlite_store_test, a_second_opener_gets_store_locked) {
  auto first = make();
  ASSERT_TRUE(calls{*first}.open());
  auto second = make();
  const auto refused = calls{*second}.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::store_locked);
  ASSERT_TRUE(calls{*first}.commit({accept(new_row(1))}));
  calls{*first}.close();
  auto third = make();
  EXPECT_TRUE(calls{*third}.open());
}

TEST_F(sqlite_store_test, batches_that_wait_are_joined_and_answered_in_order) {
  auto store = make();
  ASSERT_TRUE(calls{*store}.open());
  // The thread stands in the first callback until everything else is queued.
  std::promise<void> queued;
  store->commit({accept(new_row(1))}, [&](auto) { queued.get_future().wait(); });
  std::vector<std::uint64_t> order;
  std::promise<void> answered;
  for (std::uint64_t n = 2; n <= 129; ++n) {
    store->commit({accept(new_row(n))}, [&, n](auto done) {
      EXPECT_TRUE(done);
      order.push_back(n);
      if (n == 129) {
        answered.set_value();
      }
    });
  }
  queued.set_value();
  answered.get_future().wait();
  ASSERT_EQ(order.size(), 128U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  // 128 behind the first, 64 in a transaction; the first alone, or with those that came before it
  // was taken.
  EXPECT_LE(store->transactions(), 4U);
  EXPECT_GE(store->transactions(), 3U);
}

TEST_F(sqlite_store_test, nothing_is_accepted_after_close) {
  auto store = make();
  const calls call{*store};
  EXPECT_EQ(call.commit({accept(new_row(1))}).error().code, errc::store_failed);
  ASSERT_TRUE(call.open());
  call.close();
  EXPECT_EQ(call.commit({accept(new_row(1))}).error().code, errc::store_failed);
  EXPECT_EQ(call.fetch(1, job_store::column::input).error().code, errc::store_failed);
}

TEST_F(sqlite_store_test, the_file_is_for_this_user_only) {
  auto store = make();
  ASSERT_TRUE(calls{*store}.open());
  ASSERT_TRUE(calls{*store}.commit({accept(new_row(1))}));
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
    EXPECT_EQ(entry.status().permissions() & std::filesystem::perms{077},
              std::filesystem::perms::none)
        << entry.path();
  }
}

} // namespace
} // namespace tayfa::store::testing
