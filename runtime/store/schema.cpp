#include "runtime/store/schema.hpp"

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

/// steps[v] makes a file of version v one of version v + 1.
constexpr std::array<const char*, schema_version> steps = {version_1, version_2};

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
  return version;
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

result<void> migrate(database& db, std::int64_t version) {
  for (auto at = version; at < schema_version; ++at) {
    const auto next = "PRAGMA user_version=" + std::to_string(at + 1);
    for (const char* const sql :
         {"BEGIN IMMEDIATE", steps[static_cast<std::size_t>(at)], next.c_str(), "COMMIT"}) {
      if (auto done = db.run(sql); !done) {
        return done;
      }
    }
  }
  return {};
}

} // namespace

result<void> create_database(const std::string& path, const schema_options& options) {
  auto opened = database::open(path, options.vfs);
  if (!opened) {
    return fail(opened.error());
  }
  auto& db = *opened;
  const auto mark = "PRAGMA application_id=" + std::to_string(application_mark);
  auto done = configure(db, options);
  done = done ? db.run(mark.c_str()) : done;
  done = done ? start_log(db) : done;
  done = done ? migrate(db, 0) : done;
  return done ? db.run("PRAGMA wal_checkpoint(TRUNCATE)") : done;
}

result<database> open_database(const std::string& path, const schema_options& options) {
  auto opened = database::open(path, options.vfs);
  if (!opened) {
    return opened;
  }
  auto& db = *opened;
  const auto version = recognise(db);
  if (!version) {
    return fail(version.error());
  }
  auto done = check(db);
  done = done ? configure(db, options) : done;
  done = done ? start_log(db) : done;
  done = done ? migrate(db, *version) : done;
  if (!done) {
    return fail(done.error());
  }
  return opened;
}

} // namespace tayfa::store
