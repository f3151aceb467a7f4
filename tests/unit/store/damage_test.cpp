// A file that is not ours, from the future, or damaged: refused, and left as it is. And large texts
// on the machine's disk: shared, removed, swept, verified.
#include "runtime/store/schema.hpp"
#include "tests/unit/store/support.hpp"

#include <sqlite3.h>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

struct damage : ::testing::Test {
  temp_folder folder;
  manual_time time;

  std::unique_ptr<sqlite_store> make() {
    return std::make_unique<sqlite_store>(
        time, sqlite_store_options{.folder = folder.path(), .boot = "boot"});
  }
  /// A store with so many rows, closed.
  void fill(std::uint64_t rows) {
    auto store = make();
    const calls call{*store};
    ASSERT_TRUE(call.open());
    batch changes;
    for (std::uint64_t order = 1; order <= rows; ++order) {
      changes.emplace_back(accept(new_row(order)));
    }
    ASSERT_TRUE(call.commit(std::move(changes)));
    call.close();
  }
  void sql(const std::string& statements) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(folder.file().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  error refused() {
    auto store = make();
    const auto found = calls{*store}.open();
    return found ? error{errc::internal, "it was opened"} : found.error();
  }
  std::vector<std::string> large_files() const {
    std::vector<std::string> out;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator{folder.path() + "/blobs"}) {
      if (entry.is_regular_file()) {
        out.push_back(entry.path());
      }
    }
    return out;
  }
};

TEST_F(damage, a_file_of_another_program_is_not_touched) {
  sql("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
  const auto before = slurp(folder.file());
  EXPECT_EQ(refused().code, errc::store_corrupt);
  EXPECT_EQ(slurp(folder.file()), before);
}

TEST_F(damage, a_file_that_is_no_database_is_not_touched) {
  for (const std::string& bytes : {std::string{}, std::string(5'000, 'z'), std::string{"short"}}) {
    spill(folder.file(), bytes);
    EXPECT_EQ(refused().code, errc::store_corrupt) << bytes.size();
    EXPECT_EQ(slurp(folder.file()), bytes);
  }
}

TEST_F(damage, a_file_of_a_newer_release_is_not_touched) {
  fill(3);
  sql("PRAGMA user_version=" + std::to_string(schema_version + 1));
  const auto before = slurp(folder.file());
  const auto why = refused();
  EXPECT_EQ(why.code, errc::store_corrupt);
  EXPECT_NE(why.text.find("newer release"), std::string::npos) << why.text;
  EXPECT_EQ(slurp(folder.file()), before);
}

TEST_F(damage, a_log_without_its_file_is_not_taken_for_a_new_store) {
  fill(1);
  std::filesystem::rename(folder.file(), folder.file() + ".lost");
  spill(folder.file() + "-wal", "something");
  EXPECT_EQ(refused().code, errc::store_corrupt);
  EXPECT_FALSE(std::filesystem::exists(folder.file()));
}

TEST_F(damage, flipped_bits_in_the_head_of_any_page_are_found_and_the_file_is_kept) {
  fill(60);
  const auto whole = slurp(folder.file());
  std::size_t pages = 0;
  for (std::size_t page = 0; page < whole.size(); page += 4096) {
    auto bytes = whole;
    for (std::size_t i = 0; i < 16; ++i) {
      bytes[page + i] = static_cast<char>(~bytes[page + i]);
    }
    spill(folder.file(), bytes);
    const auto why = refused();
    EXPECT_EQ(why.code, errc::store_corrupt) << "page " << page / 4096 << ": " << why.str();
    EXPECT_EQ(slurp(folder.file()), bytes) << "page " << page / 4096;
    ++pages;
  }
  EXPECT_GE(pages, 4U);
}

TEST_F(damage, rows_that_cannot_be_are_found) {
  for (const char* const wrong :
       {"UPDATE states SET state=77 WHERE job=2", "UPDATE states SET failure=9999 WHERE job=2",
        "UPDATE requests SET id='not/an id' WHERE job=2",
        "UPDATE requests SET id='job-1' WHERE job=2", "UPDATE requests SET priority=10 WHERE job=2",
        "UPDATE requests SET input_bytes=1 WHERE job=2", "DELETE FROM states WHERE job=2",
        "DELETE FROM requests WHERE job=2", "UPDATE states SET attempts=-1 WHERE job=2",
        "UPDATE states SET refresh=2 WHERE job=2", "UPDATE states SET history='[{}]' WHERE job=2",
        "UPDATE states SET history='[' WHERE job=2",
        "INSERT INTO results VALUES(2,'xx',1,NULL,NULL)",
        "INSERT INTO results VALUES(2,NULL,0,NULL,'5:abc')"}) {
    std::filesystem::remove_all(folder.file());
    fill(3);
    sql(wrong);
    EXPECT_EQ(refused().code, errc::store_corrupt) << wrong;
  }
}

TEST_F(damage, a_large_text_that_is_damaged_or_gone_is_told) {
  const std::string large(job_store::inline_max + 5, 'x');
  auto store = make();
  const calls call{*store};
  ASSERT_TRUE(call.open());
  ASSERT_TRUE(call.commit({accept(completed(new_row(1), large))}));
  const auto files = large_files();
  ASSERT_EQ(files.size(), 1U);
  auto bytes = slurp(files[0]);
  ASSERT_EQ(bytes, large);
  for (const auto& wrong : {std::string{"short"}, large + "y", std::string(large.size(), 'y')}) {
    spill(files[0], wrong);
    EXPECT_EQ(call.fetch(1, job_store::column::output).error().code, errc::store_corrupt);
  }
  std::filesystem::remove(files[0]);
  EXPECT_EQ(call.fetch(1, job_store::column::output).error().code, errc::store_corrupt);
  EXPECT_TRUE(call.commit({accept(new_row(2))})) << "the store goes on";
}

TEST_F(damage, equal_large_texts_share_a_file_until_the_last_is_gone) {
  const std::string large(job_store::inline_max + 5, 'x');
  auto store = make();
  const calls call{*store};
  ASSERT_TRUE(call.open());
  auto first = completed(new_row(1), large);
  first.request.input = shared_text{large};
  ASSERT_TRUE(call.commit({accept(first), accept(completed(new_row(2), large))}));
  EXPECT_EQ(large_files().size(), 1U);
  ASSERT_TRUE(call.commit({state_of(first, part_input_released), erase{2}}));
  EXPECT_EQ(large_files().size(), 1U);
  EXPECT_EQ(call.fetch(1, job_store::column::output).value().view(), large);
  first.output = shared_text{"small now"};
  ASSERT_TRUE(call.commit({state_of(first, part_output)}));
  EXPECT_EQ(large_files().size(), 0U);
  EXPECT_EQ(call.fetch(1, job_store::column::output).value().view(), "small now");
}

TEST_F(damage, files_that_no_row_refers_to_are_swept_at_open) {
  fill(1);
  std::filesystem::create_directories(folder.path() + "/blobs/ab");
  spill(folder.path() + "/blobs/ab/" + std::string(62, '0'), "an orphan");
  spill(folder.path() + "/blobs/ab/" + std::string(62, '1') + ".new", "half");
  EXPECT_EQ(large_files().size(), 2U);
  auto store = make();
  ASSERT_TRUE(calls{*store}.open());
  EXPECT_EQ(large_files().size(), 0U);
}

} // namespace
} // namespace tayfa::store::testing
