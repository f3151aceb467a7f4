#include "runtime/store/schema.hpp"

#include "runtime/store/row_sql.hpp"

#include <algorithm>
#include <sqlite3.h>

namespace tayfa::store {

namespace {

/// Columns of all tables of a file with this version of the schema.
std::int64_t columns_of(std::int64_t version) {
  std::int64_t count = 0;
  for (const auto& each : stored_tables.all()) {
    count += std::count_if(each.columns.begin(), each.columns.end(),
                           [version](const column& one) { return one.since <= version; });
  }
  return count;
}
result<std::int64_t> count_columns(database& db) {
  std::string sql = "SELECT 0";
  for (const auto& each : stored_tables.all()) {
    sql += " + (SELECT count(*) FROM pragma_table_info('" + std::string{each.name} + "'))";
  }
  return db.number(sql.c_str());
}

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
  const auto seen = count_columns(db);
  if (version && seen && *seen != columns_of(*version)) {
    return fail(errc::store_corrupt, "the file's version is not that of its tables");
  }
  return seen ? version : fail(seen.error());
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
                 ", tables=" + std::to_string(*tables) + "; " +
                 seal_meta_sql(stored_tables.meta, first_with_sums))
                    .c_str());
}

result<void> give_sums(database& db, row_sums& sums) {
  const auto used = used_bytes(db);
  if (!used) {
    return fail(used.error());
  }
  const bool all = *used <= rewrite_max;
  if (all) {
    if (auto sealed = db.run(seal_sql(stored_tables).c_str()); !sealed) {
      return sealed;
    }
  }
  return write_totals(db, sums, all);
}

/// A step between two versions with checksums gives the tables new definitions, and so meta a new
/// checksum. It must not turn a damaged row into a whole one.
result<void> step_with_sums(database& db, const table_set& to, int version) {
  const auto before = sum_of_tables(db);
  if (!before) {
    return fail(before.error());
  }
  const auto whole =
      db.number(("SELECT count(*) = total(tables = " + std::to_string(*before) + " AND sum IS " +
                 sum_sql(to.meta, main_sum, version - 1) + ") FROM meta")
                    .c_str());
  if (!whole || *whole == 0) {
    return whole ? fail(errc::store_corrupt, "the row of the whole store is damaged")
                 : fail(whole.error());
  }
  if (auto done = db.run(step_sql(to, version).c_str()); !done) {
    return done;
  }
  const auto tables = sum_of_tables(db);
  return tables ? db.run(("UPDATE meta SET tables=" + std::to_string(*tables) + "; " +
                          seal_meta_sql(to.meta, version))
                             .c_str())
                : fail(tables.error());
}

result<void> step(database& db, const table_set& to, int version, row_sums& sums) {
  if (version > first_with_sums) {
    return step_with_sums(db, to, version);
  }
  auto done = db.run(step_sql(to, version).c_str());
  return done && version == first_with_sums ? give_sums(db, sums) : done;
}

} // namespace

result<void> migrate(database& db, std::int64_t from, const table_set& to, row_sums& sums) {
  for (auto version = static_cast<int>(from) + 1; version <= to.version(); ++version) {
    auto done = db.run("BEGIN IMMEDIATE");
    done = done ? step(db, to, version, sums) : done;
    done = done ? db.run(("PRAGMA user_version=" + std::to_string(version)).c_str()) : done;
    done = done ? db.run("COMMIT") : done;
    if (!done) {
      return done;
    }
  }
  return {};
}

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
  // Page size 4096, log, log, nothing reserved, and the fractions that SQLite requires.
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
  done = done ? migrate(db, 0, stored_tables, sums) : done;
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
  done = done ? migrate(db, *version, stored_tables, sums) : done;
  if (!done) {
    return fail(done.error());
  }
  return opened;
}

} // namespace tayfa::store
