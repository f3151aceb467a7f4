#include "runtime/store/schema.hpp"

#include "runtime/store/row_sql.hpp"

#include <array>
#include <sqlite3.h>

namespace tayfa::store {

namespace {

/// No index of ids: the job table finds jobs by id in memory, and an index of random texts costs
/// half of the processor time of a job's life and a page of the log for each job. That ids are
/// unique is checked when the rows are read.
constexpr const char* version_1 = R"(
CREATE TABLE requests(
  job INTEGER PRIMARY KEY, id TEXT NOT NULL, fingerprint INTEGER NOT NULL,
  submitted INTEGER NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL, shape TEXT NOT NULL,
  tenant TEXT NOT NULL, idempotency_key TEXT NOT NULL, priority INTEGER NOT NULL,
  execution_timeout INTEGER, ttl INTEGER, deadline INTEGER, delay INTEGER NOT NULL,
  webhook TEXT NOT NULL, sync INTEGER NOT NULL,
  input TEXT, input_bytes INTEGER NOT NULL, input_file TEXT) STRICT;
CREATE TABLE states(
  job INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
  lives INTEGER NOT NULL, attempts_before INTEGER NOT NULL, lone_kills INTEGER NOT NULL,
  suspect INTEGER NOT NULL, dead INTEGER NOT NULL, not_before INTEGER, retried INTEGER, ended INTEGER,
  worker TEXT, failure INTEGER, failure_text TEXT, delay INTEGER, execution INTEGER,
  history TEXT, hook_tries INTEGER NOT NULL, hook_open INTEGER NOT NULL,
  input_released INTEGER NOT NULL) STRICT;
CREATE TABLE results(
  job INTEGER PRIMARY KEY, output TEXT, output_bytes INTEGER NOT NULL, output_file TEXT,
  chunks TEXT) STRICT;
CREATE TABLE meta(
  one INTEGER PRIMARY KEY CHECK(one = 1), last_order INTEGER NOT NULL, boot TEXT NOT NULL,
  clock_offset INTEGER NOT NULL, clock INTEGER NOT NULL, wall INTEGER NOT NULL) STRICT;
)";

/// Jobs that were taken from a platform, what they bring along, and results asked to stay.
constexpr const char* version_2 = R"(
ALTER TABLE requests ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN s3_config TEXT NOT NULL DEFAULT '';
ALTER TABLE states ADD COLUMN refresh INTEGER NOT NULL DEFAULT 0;
ALTER TABLE states ADD COLUMN keep_until INTEGER;
)";

/// Checksums (row_sums.hpp), and what tells that acknowledged commits are missing. Rows of orders
/// up to `unsealed` may have no sums.
constexpr const char* version_3 = R"(
ALTER TABLE requests ADD COLUMN input_sum INTEGER;
ALTER TABLE requests ADD COLUMN sum INTEGER;
ALTER TABLE states ADD COLUMN sum INTEGER;
ALTER TABLE results ADD COLUMN chunks_sum INTEGER;
ALTER TABLE results ADD COLUMN sum INTEGER;
ALTER TABLE meta ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN jobs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN unsealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN tables INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN sum INTEGER;
ALTER TABLE states ADD COLUMN dropped_chunks INTEGER NOT NULL DEFAULT 0;
)";

/// steps[v] makes a file of version v one of version v + 1.
constexpr std::int64_t first_with_sums = 3;
constexpr std::array<const char*, schema_version> steps = {version_1, version_2, version_3};

/// Reads only: nothing of a file that is not ours may be touched.
result<std::int64_t> recognise(database& db) {
  const auto mark = db.number("PRAGMA application_id");
  if (!mark) {
    return mark;
  }
  if (*mark != application_mark) {
    return fail(errc::store_corrupt,
                "the file is empty or belongs to another program; it was not changed");
  }
  const auto version = db.number("PRAGMA user_version");
  if (version && *version > schema_version) {
    return fail(errc::store_corrupt,
                "the file was written by a newer release (schema " + std::to_string(*version) +
                    ", this one knows " + std::to_string(schema_version) +
                    "); it was not changed. Run that release, or set another data folder");
  }
  if (version && *version < 1) {
    return fail(errc::store_corrupt, "the file has no version; it was not changed");
  }
  // A damaged number would have a migration done to tables that have had it.
  const auto seen = db.number(
      "SELECT 1 + (SELECT count(*) FROM pragma_table_info('requests') WHERE name='origin') + "
      "(SELECT count(*) FROM pragma_table_info('meta') WHERE name='sum')");
  if (version && seen && *seen != *version) {
    return fail(errc::store_corrupt, "the file's version is not that of its tables");
  }
  return seen ? version : seen;
}

result<void> check(database& db) {
  const auto found = db.text("PRAGMA quick_check(1)");
  if (!found) {
    return fail(found.error());
  }
  if (*found != "ok") {
    return fail(errc::store_corrupt, "the check of the file says: " + *found);
  }
  return {};
}

result<void> configure(database& db, const schema_options& options) {
  for (const auto& pragma :
       {std::string{"PRAGMA mmap_size=0"}, std::string{"PRAGMA temp_store=MEMORY"},
        std::string{"PRAGMA trusted_schema=OFF"}, std::string{"PRAGMA cell_size_check=ON"},
        std::string{"PRAGMA cache_size=-16384"}, std::string{"PRAGMA wal_autocheckpoint=0"},
        // Debian's default writes every freed page once more; the folder is for this user only.
        std::string{"PRAGMA secure_delete=OFF"},
        "PRAGMA journal_size_limit=" + std::to_string(options.log_limit),
        std::string{options.flush ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"}}) {
    if (auto done = db.run(pragma.c_str()); !done) {
      return done;
    }
  }
  return {};
}

result<void> start_log(database& db) {
  const auto mode = db.text("PRAGMA journal_mode=WAL");
  if (!mode) {
    return fail(mode.error());
  }
  if (*mode != "wal") {
    return fail(errc::io_error, "the file system cannot hold a write-ahead log");
  }
  return {};
}

/// The totals over all rows. A store that never committed has no row of meta.
result<void> write_totals(database& db, row_sums& sums, bool sealed) {
  sums.set({});
  std::uint64_t rows = 0;
  for (const char* const table : {"requests", "states", "results"}) {
    const auto name = std::string{table};
    const auto count = db.number(("SELECT count(*) FROM " + name).c_str());
    const auto each = db.run(("SELECT swap_sum(0, ifnull(sum, 0)) FROM " + name).c_str());
    if (!count || !each) {
      return fail(count ? each.error() : count.error());
    }
    rows += static_cast<std::uint64_t>(*count);
  }
  const auto tables = sum_of_tables(db);
  if (!tables) {
    return fail(tables.error());
  }
  const auto number = [](std::uint64_t value) {
    return std::to_string(static_cast<std::int64_t>(value));
  };
  return db.run(("UPDATE meta SET jobs=" + number(rows) + ", total=" + number(sums.total().sum) +
                 ", unsealed=" + (sealed ? "0" : "last_order") +
                 ", tables=" + std::to_string(*tables) + "; " + seal_meta_sql)
                    .c_str());
}

result<void> give_sums(database& db, row_sums& sums) {
  const auto used = used_bytes(db);
  if (!used) {
    return fail(used.error());
  }
  const bool all = *used <= rewrite_max;
  if (all) {
    if (auto sealed = db.run(seal_sql.c_str()); !sealed) {
      return sealed;
    }
  }
  return write_totals(db, sums, all);
}

result<void> migrate(database& db, std::int64_t version, row_sums& sums) {
  for (auto at = version; at < schema_version; ++at) {
    auto done = db.run("BEGIN IMMEDIATE");
    done = done ? db.run(steps[static_cast<std::size_t>(at)]) : done;
    done = done && at + 1 == first_with_sums ? give_sums(db, sums) : done;
    done = done ? db.run(("PRAGMA user_version=" + std::to_string(at + 1)).c_str()) : done;
    done = done ? db.run("COMMIT") : done;
    if (!done) {
      return done;
    }
  }
  return {};
}

} // namespace

result<std::int64_t> sum_of_tables(database& db) {
  return db.number("SELECT row_sum('tables', group_concat(name || '=' || ifnull(sql, ''), ';')) "
                   "FROM (SELECT name, sql FROM sqlite_schema ORDER BY name)");
}

result<std::int64_t> used_bytes(database& db) {
  const auto pages = db.number("PRAGMA page_count");
  const auto unused = db.number("PRAGMA freelist_count");
  const auto size = db.number("PRAGMA page_size");
  if (!pages || !unused || !size) {
    return pages ? unused ? size : unused : pages;
  }
  return (*pages - *unused) * *size;
}

result<void> check_head(std::string_view head) {
  const auto number = [&head](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
      value = (value << 8) | static_cast<unsigned char>(head[i]);
    }
    return value;
  };
  constexpr std::string_view begin{"SQLite format 3", 16};
  // Page size 4096, log, log, nothing reserved, and the fractions that SQLite wants.
  constexpr std::string_view fixed{"\x10\x00\x02\x02\x00\x40\x20\x20", 8};
  constexpr std::size_t format = 44, encoding = 56, mark = 68;
  if (head.size() < 100 || !head.starts_with(begin) || number(mark) != application_mark) {
    return fail(errc::store_corrupt,
                "the file is empty or belongs to another program; it was not changed");
  }
  if (head.substr(16, fixed.size()) != fixed || number(format) != 4 || number(encoding) != 1) {
    return fail(errc::store_corrupt, "the head of the file is damaged; it was not changed");
  }
  return {};
}

result<void> create_database(const std::string& path, const schema_options& options,
                             row_sums& sums) {
  auto opened = database::open(path, options.vfs);
  if (!opened) {
    return fail(opened.error());
  }
  auto& db = *opened;
  const auto mark = "PRAGMA application_id=" + std::to_string(application_mark);
  auto done = sums.attach(db);
  done = done ? configure(db, options) : done;
  done = done ? db.run("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL") : done;
  done = done ? db.run(mark.c_str()) : done;
  done = done ? start_log(db) : done;
  done = done ? migrate(db, 0, sums) : done;
  return done ? db.run("PRAGMA wal_checkpoint(TRUNCATE)") : done;
}

result<database> open_database(const std::string& path, const schema_options& options,
                               row_sums& sums) {
  auto opened = database::open(path, options.vfs);
  if (!opened) {
    return opened;
  }
  auto& db = *opened;
  if (auto attached = sums.attach(db); !attached) {
    return fail(attached.error());
  }
  const auto version = recognise(db);
  if (!version) {
    return fail(version.error());
  }
  auto done = check(db);
  done = done ? configure(db, options) : done;
  done = done ? start_log(db) : done;
  done = done ? migrate(db, *version, sums) : done;
  if (!done) {
    return fail(done.error());
  }
  return opened;
}

} // namespace tayfa::store
