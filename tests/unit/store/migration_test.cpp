// A file of an earlier schema becomes one of this schema with every row intact, whatever happens on
// the way: it is of the one or of the other version, never something between.
#include "runtime/store/row_sql.hpp"
#include "runtime/store/schema.hpp"
#include "runtime/store/sim_disk.hpp"
#include "tests/unit/store/version_3.hpp"

#include <cerrno>
#include <optional>
#include <set>
#include <sqlite3.h>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

std::string text_of_all(const std::vector<job_row>& rows) {
  std::string out;
  for (const auto& row : rows) {
    out += text_of(row) + "\n";
  }
  return out;
}

struct old_release {
  const char* tables;
  const char* jobs;
  const char* version;
};
constexpr old_release version_1{version_1_tables, version_1_jobs, "PRAGMA user_version=1"};
constexpr old_release version_3{version_3_tables, version_3_jobs, "PRAGMA user_version=3"};

/// Makes the file of an earlier release; `closed`: its log was moved into it, as at an orderly end.
void write_file(const old_release& of, const std::string& path, const char* vfs, bool closed) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
            SQLITE_OK);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const auto mark = "PRAGMA application_id=" + std::to_string(application_mark);
  const std::string statements[] = {"PRAGMA locking_mode=EXCLUSIVE",
                                    mark,
                                    "PRAGMA journal_mode=WAL",
                                    "PRAGMA synchronous=FULL",
                                    "PRAGMA wal_autocheckpoint=0",
                                    "BEGIN",
                                    of.tables,
                                    of.version,
                                    "COMMIT",
                                    "PRAGMA wal_checkpoint(TRUNCATE)",
                                    "BEGIN",
                                    of.jobs,
                                    "COMMIT",
                                    closed ? "PRAGMA wal_checkpoint(TRUNCATE)" : ""};
  for (const auto& sql : statements) {
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(db);
  }
  sqlite3_close(db);
}

/// A row with all that version 1, or 3, had no place for.
job_row newer_row() {
  auto row = new_row(8);
  row.request.origin = "p-8";
  row.request.s3_config = R"({"bucketName":"b"})";
  row.refresh = true;
  row.holder = {slot_id{2}, 9, node_id{1}};
  row.lasting_name = "tayfa/w/";
  row.given = row.submitted + std::chrono::milliseconds{3};
  row.streamed = true;
  row.keep_until = row.submitted + std::chrono::milliseconds{77};
  return row;
}

TEST(store_migration, a_file_of_version_1_is_read_and_takes_what_is_new) {
  for (const bool closed : {true, false}) {
    const temp_folder folder;
    manual_time time;
    const sqlite_store_options options{.folder = folder.path(), .boot = "boot"};
    write_file(version_1, folder.file(), nullptr, closed);
    {
      sqlite_store store{time, options};
      const calls call{store};
      const auto found = call.open();
      ASSERT_TRUE(found) << found.error().str();
      EXPECT_EQ(text_of_all(found->rows), text_of_all(version_1_rows()));
      EXPECT_EQ(found->last_order, version_1_last_order);
      ASSERT_TRUE(call.commit({accept(newer_row())}));
    }
    {
      auto db = database::open(folder.file(), {});
      ASSERT_TRUE(db);
      EXPECT_EQ(db->number("PRAGMA user_version").value(), schema_version);
      EXPECT_EQ(db->text("PRAGMA integrity_check").value(), "ok");
    }
    sqlite_store again{time, options};
    const auto found = calls{again}.open();
    ASSERT_TRUE(found) << found.error().str();
    auto expected = version_1_rows();
    expected.push_back(newer_row());
    EXPECT_EQ(text_of_all(found->rows), text_of_all(expected));
  }
}

TEST(store_migration, a_migrated_file_has_the_tables_of_a_new_one) {
  const temp_folder old_folder;
  const temp_folder new_folder;
  manual_time time;
  write_file(version_1, old_folder.file(), nullptr, true);
  std::string tables[2];
  auto* words = tables;
  for (const auto* folder : {&old_folder, &new_folder}) {
    {
      sqlite_store store{time, {.folder = folder->path(), .boot = "boot"}};
      ASSERT_TRUE(calls{store}.open());
    }
    auto db = database::open(folder->file(), {});
    ASSERT_TRUE(db);
    *words++ = db->text("SELECT group_concat(name || '(' || (SELECT group_concat(name || ' ' || "
                        "type || ' ' || \"notnull\" || ' ' || coalesce(dflt_value, '-')) FROM "
                        "pragma_table_info(t.name)) || ')') FROM sqlite_schema AS t")
                   .value();
  }
  EXPECT_EQ(tables[0], tables[1]);
  EXPECT_NE(tables[0].find("origin"), std::string::npos);
}

/// All rows of a file in the columns that a file of version 3 has.
std::string rows_of(const std::string& path) {
  std::string out;
  auto db = database::open(path, {});
  EXPECT_TRUE(db);
  for (const auto& of : {stored_tables.requests, stored_tables.states, stored_tables.results}) {
    std::string values = "''";
    for (const auto& each : of.columns) {
      if (each.since <= 3) {
        const auto name = std::string{each.name};
        values += " || '" + name + "=' || quote(" + name + ") || char(10)";
      }
    }
    out += db->text(("SELECT group_concat(" + values + ", char(10)) FROM " + std::string{of.name})
                        .c_str())
               .value();
  }
  return out;
}

TEST(store_migration,
     a_file_of_version_3_is_read_and_would_be_written_the_same_with_its_checksums) {
  const temp_folder old_folder;
  const temp_folder new_folder;
  manual_time time;
  write_file(version_3, old_folder.file(), nullptr, true);
  const auto as_it_was = rows_of(old_folder.file());
  std::string words[2];
  auto* each = words;
  for (const auto* folder : {&new_folder, &old_folder}) {
    sqlite_store store{time, {.folder = folder->path(), .boot = "boot"}};
    const calls call{store};
    ASSERT_TRUE(call.open());
    if (folder == &new_folder) {
      batch changes;
      for (auto& change : version_3_puts()) {
        changes.emplace_back(std::move(change));
      }
      ASSERT_TRUE(call.commit(std::move(changes)));
    }
    call.close();
    sqlite_store again{time, {.folder = folder->path(), .boot = "boot"}};
    const auto found = calls{again}.open();
    ASSERT_TRUE(found) << found.error().str();
    ASSERT_EQ(found->rows.size(), 6U);
    *each++ = text_of_all(found->rows);
    calls{again}.close();
  }
  EXPECT_EQ(words[0], words[1]);
  EXPECT_EQ(rows_of(new_folder.file()), as_it_was);
  EXPECT_EQ(rows_of(old_folder.file()), as_it_was) << "reading changes no row";
}

/// The tables of releases to come: a state with more columns.
struct future {
  std::vector<column> states{stored_tables.states.columns.begin(),
                             stored_tables.states.columns.end()};
  future() {
    const int next = stored_tables.version() + 1;
    states.push_back(stored<&job_row::hook_tries>("later_number").from(next));
    states.push_back(coded<or_null, &job_row::worker>("later_text").from(next + 1));
  }
  table_set tables() const {
    auto out = stored_tables;
    out.states.columns = states;
    return out;
  }
};

struct next_version : ::testing::Test {
  std::optional<temp_folder> folder;
  row_sums sums;
  future to;
  result<database> db;

  void SetUp() override { make(); }
  void make() {
    folder.emplace();
    write_file(version_3, folder->file(), nullptr, true);
    manual_time time;
    {
      sqlite_store store{time, {.folder = folder->path(), .boot = "boot"}};
      ASSERT_TRUE(calls{store}.open());
    }
    db = database::open(folder->file(), {});
    ASSERT_TRUE(db && sums.attach(*db));
  }
  std::int64_t number(const std::string& sql) {
    const auto found = db->number(sql.c_str());
    return found ? *found : (ADD_FAILURE() << found.error().str(), -1);
  }
  std::string sum_of_states() const {
    return sum_sql(to.tables().states, main_sum, to.tables().version());
  }
};

TEST_F(next_version, adding_columns_leaves_the_checksums_of_all_rows_as_they_are) {
  ASSERT_EQ(to.tables().version(), schema_version + 2);
  ASSERT_TRUE(migrate(*db, schema_version, to.tables(), sums));
  EXPECT_EQ(number("PRAGMA user_version"), schema_version + 2);
  EXPECT_EQ(number("SELECT count(*) FROM states WHERE sum IS " + sum_of_states()), 6);
  EXPECT_EQ(number("SELECT count(*) FROM states WHERE later_number=0 AND later_text IS NULL"), 6);
  EXPECT_EQ(number("SELECT sum IS " + sum_sql(to.tables().meta, main_sum, 99) + " FROM meta"), 1);
  EXPECT_EQ(number("SELECT tables FROM meta"), sum_of_tables(*db).value());
  std::set<std::int64_t> checksums;
  for (const char* const values : {"later_number=0, later_text=NULL", "later_number=1",
                                   "later_text='x'", "later_number=0", "later_text='1'"}) {
    ASSERT_TRUE(db->run((std::string{"UPDATE states SET "} + values + " WHERE job=1").c_str()));
    checksums.insert(number("SELECT " + sum_of_states() + " FROM states WHERE job=1"));
  }
  EXPECT_EQ(checksums.size(), 5U) << "each of their values has one of its own";
  EXPECT_EQ(checksums.count(number("SELECT sum FROM states WHERE job=1")), 1U);
}

TEST_F(next_version, adding_columns_does_not_seal_what_was_damaged) {
  for (const char* const damage : {"UPDATE meta SET commits=commits+1",
                                   "UPDATE meta SET tables=tables+1", "CREATE TABLE more(x)"}) {
    make();
    ASSERT_TRUE(db->run(damage));
    const auto done = migrate(*db, schema_version, to.tables(), sums);
    ASSERT_FALSE(done) << damage;
    EXPECT_EQ(done.error().code, errc::store_corrupt) << damage;
    EXPECT_TRUE(db->run("ROLLBACK"));
    EXPECT_EQ(number("PRAGMA user_version"), schema_version);
  }
}

/// A simulated disk with a file of version 1, flushed long ago.
struct old_disk {
  explicit old_disk(std::uint64_t seed, bool closed)
      : disk({.seed = seed, .sector = seed % 2 == 0 ? 512U : 4096U}) {
    EXPECT_TRUE(disk.files().prepare("/data"));
    write_file(version_1, "/data/jobs.sqlite", disk.vfs_name().c_str(), closed);
    EXPECT_TRUE(disk.files().sync_folder("/data"));
  }

  sim_disk disk;
  manual_time time;
  std::uint64_t last_order = version_1_last_order; ///< the highest that may be taken

  result<job_store::recovered> open() {
    sqlite_store store{time, sqlite_store_options{.folder = "/data",
                                                  .boot = "boot",
                                                  .vfs = disk.vfs_name(),
                                                  .files = &disk.files(),
                                                  .inline_mode = true}};
    auto found = calls{store, true}.open();
    if (found && disk.has_power()) {
      const auto row = newer_row();
      const auto done = calls{store, true}.commit({accept(row), erase{row.order}});
      EXPECT_TRUE(done || !disk.has_power()) << done.error().str();
      last_order = row.order;
    }
    return found;
  }
  /// The version of the file as it lies there; 0 = it is damaged. What is wrong goes to the test.
  std::int64_t version() const {
    auto db = database::open("/data/jobs.sqlite", disk.vfs_name());
    const auto found = db ? db->number("PRAGMA user_version") : fail(db.error());
    const auto words = found ? db->text("PRAGMA integrity_check") : fail(found.error());
    EXPECT_TRUE(words) << words.error().str();
    EXPECT_EQ(words.value_or("?"), "ok");
    if (!words || *found < 1 || *found > schema_version) {
      return 0;
    }
    const auto columns = db->number("SELECT (SELECT count(*) FROM pragma_table_info('requests') "
                                    "WHERE name IN ('origin','s3_config')) + (SELECT count(*) FROM "
                                    "pragma_table_info('states') WHERE name IN "
                                    "('refresh','keep_until'))");
    EXPECT_EQ(columns.value_or(-1), *found == 1 ? 0 : 4) << "all of them, or none";
    return *found;
  }
  void expect_whole(const std::string& where) {
    const auto most = last_order;
    const auto found = open();
    ASSERT_TRUE(found) << where << found.error().str();
    EXPECT_EQ(text_of_all(found->rows), text_of_all(version_1_rows())) << where;
    EXPECT_GE(found->last_order, version_1_last_order) << where;
    EXPECT_LE(found->last_order, most) << where;
    EXPECT_EQ(version(), schema_version) << where;
  }
};

TEST(store_migration, power_loss_at_every_call_of_the_disk_leaves_one_version_or_another) {
  std::size_t losses = 0;
  std::size_t seen[schema_version + 1] = {};
  for (std::uint64_t seed = 1; seed <= 8 && !HasFailure(); ++seed) {
    const bool closed = seed % 4 < 2;
    for (std::uint64_t call = 1; !HasFailure(); ++call) {
      old_disk old{seed, closed};
      old.disk.lose_power_at(call);
      static_cast<void>(old.open());
      if (old.disk.has_power()) {
        break; // it needs fewer calls
      }
      ++losses;
      old.disk.power_on();
      const auto where = "seed " + std::to_string(seed) + ", call " + std::to_string(call) + "\n";
      const auto version = old.version();
      ASSERT_NE(version, 0) << where;
      ++seen[version];
      old.expect_whole(where);
    }
  }
  EXPECT_GT(losses, 50U);
  EXPECT_GT(seen[1], 0U) << "before";
  EXPECT_GT(seen[2], 0U) << "between its two steps";
  EXPECT_GT(seen[schema_version], 0U) << "after";
}

TEST(store_migration, a_call_of_the_disk_that_fails_refuses_the_open_and_harms_nothing) {
  std::size_t refused = 0;
  for (const auto kind :
       {disk_call::write, disk_call::sync, disk_call::open, disk_call::truncate}) {
    for (const int number : {ENOSPC, EIO}) {
      if (kind == disk_call::sync && number == ENOSPC) {
        continue;
      }
      for (std::uint64_t nth = 1; !HasFailure(); ++nth) {
        old_disk old{nth, nth % 2 == 0};
        const auto before = old.disk.calls(kind);
        old.disk.plan_fault(kind, nth, number, number == ENOSPC);
        sqlite_store store{old.time, sqlite_store_options{.folder = "/data",
                                                          .boot = "boot",
                                                          .vfs = old.disk.vfs_name(),
                                                          .files = &old.disk.files(),
                                                          .inline_mode = true}};
        const auto found = calls{store, true}.open();
        const bool reached = old.disk.calls(kind) >= before + nth;
        if (!found) {
          ++refused;
          EXPECT_EQ(found.error().code, number == ENOSPC ? errc::storage_full : errc::io_error)
              << found.error().str() << " kind " << static_cast<int>(kind) << " nth " << nth;
        }
        old.disk.heal();
        old.disk.power_loss();
        old.disk.power_on();
        if (!reached) {
          break;
        }
        old.expect_whole("kind " + std::to_string(static_cast<int>(kind)) + ", call " +
                         std::to_string(nth) + "\n");
      }
    }
  }
  EXPECT_GT(refused, 5U);
}

} // namespace
} // namespace tayfa::store::testing
