// The store's upkeep besides commits: space returned and space reserved, the mark of acknowledged
// commits, fixed file names, and the log's bytes before SQLite reads them.
#include "runtime/store/log_scan.hpp"
#include "runtime/store/schema.hpp"
#include "runtime/store/sim_disk.hpp"
#include "runtime/store/store_mark.hpp"
#include "tests/unit/store/support.hpp"
#include "tests/unit/store/version_1.hpp"

#include <cerrno>
#include <sqlite3.h>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

struct upkeep : ::testing::Test {
  temp_folder folder;
  manual_time time;

  std::unique_ptr<sqlite_store> make(std::size_t reserve = 0) {
    return std::make_unique<sqlite_store>(time, sqlite_store_options{.folder = folder.path(),
                                                                     .boot = "boot",
                                                                     .inline_mode = true,
                                                                     .reserve = reserve});
  }
  std::uintmax_t size(const std::string& suffix = "") {
    return std::filesystem::file_size(folder.file() + suffix);
  }
};

job_row fat_row(std::uint64_t order) {
  auto row = new_row(order);
  row.request.input = shared_text{std::string(40'000, 'i')};
  return row;
}

constexpr std::uintmax_t usual_log = 21U << 20U; ///< of 4096 pages, and a quarter

TEST_F(upkeep, space_is_given_back_in_steps) {
  auto store = make();
  const calls call{*store, true};
  ASSERT_TRUE(call.open());
  for (std::uint64_t order = 1; order <= 400; ++order) {
    ASSERT_TRUE(call.commit({accept(fat_row(order))}));
  }
  while (store->rest()) {
  }
  const auto full = size() + size("-wal");
  EXPECT_GT(full, 400U * 40'000U);
  for (std::uint64_t order = 2; order <= 400; ++order) {
    ASSERT_TRUE(call.commit({erase{order}}));
  }
  std::size_t steps = 0;
  while (store->rest()) {
    ++steps;
    ASSERT_LT(size("-wal"), usual_log);
  }
  EXPECT_GE(steps, 4U) << "2 MiB each";
  EXPECT_LT(size(), full / 8);
  EXPECT_FALSE(store->rest()) << "nothing is left to do";
  store.reset();
  auto again = make();
  ASSERT_EQ((calls{*again, true}.open().value().rows.size()), 1U);
}

TEST_F(upkeep, a_log_that_is_longer_than_usual_is_cut_and_no_other) {
  auto store = make();
  const calls call{*store, true};
  ASSERT_TRUE(call.open());
  ASSERT_TRUE(call.commit({accept(new_row(1))}));
  EXPECT_FALSE(store->rest());
  EXPECT_GT(size("-wal"), 0U);
  batch large;
  for (std::uint64_t order = 2; order <= 700; ++order) {
    large.emplace_back(accept(fat_row(order)));
  }
  ASSERT_TRUE(call.commit(std::move(large)));
  EXPECT_GT(size("-wal"), usual_log);
  while (store->rest()) {
  }
  EXPECT_EQ(size("-wal"), 0U);
}

TEST_F(upkeep, a_file_of_an_earlier_release_shrinks_as_well) {
  {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(folder.file().c_str(), &db), SQLITE_OK);
    const auto mark = "PRAGMA application_id=" + std::to_string(application_mark);
    for (const auto& sql :
         {mark, std::string{"PRAGMA journal_mode=WAL"}, std::string{version_1_tables},
          std::string{version_1_jobs}, std::string{"PRAGMA user_version=1"}}) {
      ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
          << sqlite3_errmsg(db);
    }
    sqlite3_close(db);
  }
  auto store = make();
  const calls call{*store, true};
  const auto found = call.open();
  ASSERT_TRUE(found) << found.error().str();
  const auto rows = found->rows.size();
  for (std::uint64_t order = 100; order < 300; ++order) {
    ASSERT_TRUE(call.commit({accept(fat_row(order))}));
  }
  for (std::uint64_t order = 100; order < 300; ++order) {
    ASSERT_TRUE(call.commit({erase{order}}));
  }
  while (store->rest()) {
  }
  EXPECT_LT(size(), 3U << 20U);
  store.reset();
  auto again = make();
  EXPECT_EQ((calls{*again, true}.open().value().rows.size()), rows);
}

// ---- a full disk --------------------------------------------------------------------------------

struct full_disk : ::testing::Test {
  sim_disk disk{{.seed = 7}};
  manual_time time;
  std::unique_ptr<sqlite_store> store;

  std::vector<job_row> rows_; ///< found when it was opened

  void reopen(std::size_t reserve) {
    store = std::make_unique<sqlite_store>(time, sqlite_store_options{.folder = "/data",
                                                                      .boot = "boot",
                                                                      .vfs = disk.vfs_name(),
                                                                      .files = &disk.files(),
                                                                      .inline_mode = true,
                                                                      .reserve = reserve});
    auto found = calls{*store, true}.open();
    ASSERT_TRUE(found) << found.error().str();
    rows_ = std::move(found->rows);
  }
  void open(std::size_t reserve) {
    ASSERT_TRUE(disk.files().prepare("/data"));
    ASSERT_NO_FATAL_FAILURE(reopen(reserve));
    for (std::uint64_t order = 1; order <= 40; ++order) {
      ASSERT_TRUE(commit({accept(new_row(order))}));
    }
  }
  result<void> commit(batch changes) { return calls{*store, true}.commit(std::move(changes)); }
  static errc code_of(const result<void>& done) {
    return done ? errc::internal : done.error().code;
  }
  /// Until no new job fits.
  void fill() {
    disk.set_limit(disk.bytes_used());
    for (std::uint64_t order = 100; order < 300; ++order) {
      const auto done = commit({accept(fat_row(order))});
      if (!done) {
        EXPECT_EQ(done.error().code, errc::storage_full);
        return;
      }
    }
    FAIL() << "it is never full";
  }
};

TEST_F(full_disk, known_jobs_end_from_the_reserve_and_new_ones_are_refused) {
  open(512 * 1024);
  fill();
  EXPECT_TRUE(store->has_reserve());
  for (std::uint64_t order = 1; order <= 40; ++order) {
    ASSERT_TRUE(commit({state_of(completed(new_row(order), std::string(2'000, 'o')),
                                 part_output | part_chunks | part_input_released)}));
  }
  EXPECT_EQ(code_of(commit({accept(fat_row(1'000))})), errc::storage_full) << "not for new ones";
  EXPECT_EQ(code_of(commit({})), errc::storage_full) << "the reserve is in use";
  disk.set_limit({});
  EXPECT_TRUE(commit({}));
  EXPECT_TRUE(commit({accept(fat_row(1'001))}));
}

TEST_F(full_disk, a_mixed_batch_is_refused_as_a_whole) {
  open(512 * 1024);
  fill();
  EXPECT_EQ(code_of(commit({accept(fat_row(1'000)), erase{1}})), errc::storage_full);
  store.reset();
  reopen(512 * 1024);
  EXPECT_EQ(rows_.front().order, 1U);
  EXPECT_TRUE(commit({erase{1}}));
}

TEST_F(full_disk, when_the_reserve_is_used_up_it_says_so) {
  open(512 * 1024);
  fill();
  std::size_t ended = 0;
  while (ended < 40 &&
         commit({state_of(completed(new_row(ended + 1), std::string(60'000, 'o')), part_output)})) {
    ++ended;
  }
  EXPECT_GT(ended, 0U);
  EXPECT_LT(ended, 40U) << "they do not fit into it";
  EXPECT_FALSE(store->has_reserve());
  disk.set_limit({});
  EXPECT_TRUE(commit({}));
  EXPECT_TRUE(store->has_reserve());
}

TEST_F(full_disk, a_reserve_that_was_cut_is_noticed) {
  open(512 * 1024);
  ASSERT_TRUE(disk.files().occupy("/data/reserve", 0));
  disk.set_limit(0);
  store->rest();
  EXPECT_FALSE(store->has_reserve());
}

// ---- names --------------------------------------------------------------------------------------

struct names : full_disk {};

TEST_F(names, nothing_is_acknowledged_under_another_file) {
  for (const char* const path : {"/data/jobs.sqlite", "/data/jobs.sqlite-wal"}) {
    store.reset();
    open(0);
    disk.replace(path);
    EXPECT_EQ(code_of(commit({accept(new_row(70))})), errc::store_failed) << path;
    EXPECT_EQ(code_of(commit({accept(new_row(71))})), errc::store_failed) << path;
    for (const char* const suffix : {"", "-wal"}) {
      ASSERT_TRUE(disk.files().remove(std::string{"/data/jobs.sqlite"} + suffix));
    }
  }
}

TEST_F(names, without_work_it_says_so_by_itself) {
  open(0);
  std::optional<error> said;
  store->on_failure([&](error why) { said = std::move(why); });
  EXPECT_FALSE(store->rest());
  EXPECT_FALSE(said);
  ASSERT_TRUE(disk.files().remove("/data/jobs.sqlite"));
  EXPECT_FALSE(store->rest());
  ASSERT_TRUE(said);
  EXPECT_EQ(said->code, errc::store_failed);
}

// ---- the mark -----------------------------------------------------------------------------------

TEST(store_mark, says_what_was_said_and_nothing_when_it_is_damaged) {
  const auto text = mark_text(12'345);
  EXPECT_EQ(commits_in(text), 12'345U);
  EXPECT_EQ(mark_text(std::numeric_limits<std::uint64_t>::max()).size(), text.size());
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    auto flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(commits_in(flipped), std::nullopt) << bit;
  }
  EXPECT_EQ(commits_in(text.substr(0, 30)), std::nullopt);
}

/// Only the mark shows that the last commits are gone: the log alone looks whole.
TEST_F(full_disk, a_log_that_ends_too_early_is_damaged) {
  open(0);
  store.reset();
  const auto log = disk.peek("/data/jobs.sqlite-wal").value();
  sim_disk::opened file;
  ASSERT_EQ(disk.open_file("/data/jobs.sqlite-wal", false, file), 0);
  ASSERT_EQ(disk.truncate(file, log.size() - 4120), 0);
  EXPECT_FALSE(damaged_frame(disk.peek("/data/jobs.sqlite-wal").value()));
  sqlite_store again{time, sqlite_store_options{.folder = "/data",
                                                .boot = "boot",
                                                .vfs = disk.vfs_name(),
                                                .files = &disk.files(),
                                                .inline_mode = true}};
  const auto found = calls{again, true}.open();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::store_corrupt);
  EXPECT_NE(found.error().text.find("jobs.mark"), std::string::npos);
}

// ---- the log ------------------------------------------------------------------------------------

struct log_bytes : full_disk {
  std::string log;
  static constexpr std::size_t head = 32;
  static constexpr std::size_t frame = 24 + 4096;
  void SetUp() override {
    open(0);
    log = disk.peek("/data/jobs.sqlite-wal").value();
    ASSERT_GT(log.size(), head + 20 * frame);
  }
  std::string flipped(std::size_t at) const {
    auto out = log;
    out[at] = static_cast<char>(out[at] ^ 8);
    return out;
  }
};

TEST_F(log_bytes, whole_and_torn_logs_are_not_damaged) {
  EXPECT_FALSE(damaged_frame(log));
  EXPECT_FALSE(damaged_frame({}));
  EXPECT_FALSE(damaged_frame(std::string(5'000, 'z')));
  for (std::size_t size = log.size() - 3 * frame; size < log.size(); size += 97) {
    EXPECT_FALSE(damaged_frame(std::string_view{log}.substr(0, size))) << size;
  }
}

TEST_F(log_bytes, a_bad_frame_before_later_commits_is_damage) {
  const auto frames = (log.size() - head) / frame;
  for (std::size_t n = 1; n + 8 < frames; ++n) {
    for (const std::size_t at : {0, 4, 8, 16, 23, 24, 4000}) { // each field of it, and the page
      EXPECT_EQ(damaged_frame(flipped(head + (n - 1) * frame + at)), n) << n << " at " << at;
    }
  }
}

TEST_F(log_bytes, frames_of_an_earlier_log_behind_the_end_are_no_proof) {
  auto reused = log;
  for (std::size_t at = head + 10 * frame; at < reused.size(); at += frame) {
    reused[at + 8] = static_cast<char>(reused[at + 8] ^ 1); // another salt
  }
  EXPECT_FALSE(damaged_frame(reused));
}

TEST_F(log_bytes, an_unflushed_end_with_holes_is_no_proof) {
  // The last commit's frames reached the disk but for its first one.
  std::size_t last = (log.size() - head) / frame; // its commit's frame
  std::size_t first = last;
  while (first > 1 && log.substr(head + (first - 2) * frame + 4, 4) == std::string(4, '\0')) {
    --first;
  }
  ASSERT_LT(first, last);
  EXPECT_FALSE(damaged_frame(flipped(head + (first - 1) * frame + 100)));
}

} // namespace
} // namespace tayfa::store::testing
