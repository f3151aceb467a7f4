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

/// The second of three jobs is damaged; nothing of it is served, and the others are whole.
TEST_F(damage, a_damaged_row_fails_its_job_and_no_other) {
  for (const char* const wrong :
       {"UPDATE states SET state=77 WHERE job=2", "UPDATE states SET state=2 WHERE job=2",
        "UPDATE states SET failure=9999 WHERE job=2", "UPDATE states SET attempts=-1 WHERE job=2",
        "UPDATE states SET attempts=7 WHERE job=2", "UPDATE states SET ended=77 WHERE job=2",
        "UPDATE states SET history='[{}]' WHERE job=2", "UPDATE states SET sum=sum+1 WHERE job=2",
        "UPDATE states SET sum=NULL WHERE job=2", "UPDATE requests SET input='{}' WHERE job=2",
        "UPDATE requests SET input_sum=5 WHERE job=2",
        "UPDATE states SET state=4, input_released=1 WHERE job=2"}) {
    std::filesystem::remove_all(folder.file());
    fill(3);
    sql(wrong);
    for (int opens = 0; opens < 2; ++opens) { // the row was not written again: the damage is found
                                              // again
      auto store = make();
      const auto found = calls{*store}.open();
      ASSERT_TRUE(found) << wrong << found.error().str();
      ASSERT_EQ(found->rows.size(), 3U);
      for (const auto& row : found->rows) {
        const bool hit = row.order == 2;
        EXPECT_EQ(row.damaged, hit) << wrong;
        EXPECT_EQ(row.state == job_state::FAILED, hit) << wrong;
        EXPECT_EQ(row.id, new_row(row.order).id);
        EXPECT_EQ(row.request.input.empty(), hit) << wrong;
      }
      EXPECT_EQ(found->rows[1].failure.value().code, errc::store_corrupt);
    }
  }
}

TEST_F(damage, a_damaged_result_is_not_served_and_its_job_can_be_put_right) {
  for (const char* const wrong :
       {"UPDATE results SET output='\"THE-RESULT\"' WHERE job=2",
        "UPDATE results SET output_bytes=1 WHERE job=2", "UPDATE results SET sum=1 WHERE job=2",
        "UPDATE results SET chunks='5:abc' WHERE job=2",
        "UPDATE results SET chunks='3:xyz' WHERE job=2",
        "UPDATE results SET chunks_sum=NULL WHERE job=2"}) {
    std::filesystem::remove_all(folder.file());
    {
      auto store = make();
      const calls call{*store};
      ASSERT_TRUE(call.open());
      auto row = completed(new_row(2), "\"the-result\"");
      row.chunks.assign(2, chunk{"abc"});
      ASSERT_TRUE(call.commit({accept(completed(new_row(1), "1")), accept(row)}));
      call.close();
    }
    sql(wrong);
    auto store = make();
    const calls call{*store};
    auto found = call.open();
    ASSERT_TRUE(found) << wrong << found.error().str();
    ASSERT_EQ(found->rows.size(), 2U);
    EXPECT_EQ(found->rows[0].output.view(), "1");
    auto& row = found->rows[1];
    EXPECT_TRUE(row.damaged) << wrong;
    EXPECT_EQ(row.state, job_state::FAILED) << wrong;
    EXPECT_TRUE(row.output.empty() && row.chunks.empty()) << wrong;
    row.damaged = false;
    ASSERT_TRUE(call.commit({state_of(row, part_output | part_chunks | part_input_released)}));
    call.close();
    auto again = make();
    found = calls{*again}.open();
    ASSERT_TRUE(found) << wrong << found.error().str();
    EXPECT_FALSE(found->rows[1].damaged) << wrong;
    EXPECT_EQ(found->rows[1].failure.value().code, errc::store_corrupt) << wrong;
  }
}

TEST_F(damage, what_no_job_can_be_blamed_for_refuses_the_file) {
  for (const char* const wrong :
       {"UPDATE requests SET id='not/an id' WHERE job=2",
        "UPDATE requests SET id='job-1' WHERE job=2", "UPDATE requests SET priority=10 WHERE job=2",
        "UPDATE requests SET tenant='other' WHERE job=2",
        "UPDATE requests SET input_bytes=1 WHERE job=2", "UPDATE requests SET job=9 WHERE job=2",
        "DELETE FROM states WHERE job=2", "DELETE FROM requests WHERE job=2",
        "DELETE FROM requests WHERE job=2; DELETE FROM states WHERE job=2",
        "INSERT INTO results(job, output, output_bytes) VALUES(2,'xx',1)",
        "UPDATE meta SET last_order=1", "UPDATE meta SET total=total+1", "UPDATE meta SET sum=NULL",
        "UPDATE meta SET unsealed=99", "DELETE FROM meta", "PRAGMA user_version=2",
        "PRAGMA user_version=1", "CREATE TABLE another(x)",
        "ALTER TABLE states RENAME COLUMN dead TO alive"}) {
    std::filesystem::remove_all(folder.file());
    fill(3);
    sql(wrong);
    const auto before = slurp(folder.file());
    const auto why = refused();
    EXPECT_EQ(why.code, errc::store_corrupt) << wrong << ": " << why.text;
    EXPECT_EQ(slurp(folder.file()), before) << wrong;
  }
}

/// Each row fits its own checksum, but the state is that of an earlier commit: a write that the
/// disk has lost.
TEST_F(damage, a_row_of_an_earlier_time_is_found) {
  fill(3);
  sql("ATTACH '" + folder.file() + ".old' AS old; CREATE TABLE old.states AS SELECT * FROM states");
  {
    auto store = make();
    const calls call{*store};
    ASSERT_TRUE(call.open());
    ASSERT_TRUE(call.commit({state_of(completed(new_row(2), "x"), part_output)}));
    call.close();
  }
  ASSERT_FALSE(refused().code == errc::store_corrupt) << "it is whole";
  sql("ATTACH '" + folder.file() +
      ".old' AS old; DELETE FROM states WHERE job=2; INSERT INTO states SELECT * FROM old.states "
      "WHERE job=2");
  EXPECT_EQ(refused().code, errc::store_corrupt);
}

TEST_F(damage, a_large_text_that_is_damaged_or_gone_is_reported) {
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
