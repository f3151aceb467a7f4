#include "runtime/store/log_scan.hpp"
#include "runtime/store/store_file.hpp"

#include <algorithm>
#include <sqlite3.h>
#include <string>
#include <unordered_set>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::int64_t page_bytes = 4096;

int remember_log_pages(void* where, sqlite3*, const char*, int pages) {
  *static_cast<std::size_t*>(where) = static_cast<std::size_t>(std::max(pages, 0));
  return SQLITE_OK;
}

} // namespace

result<job_store::recovered> store_file::open() {
  const auto give_up = [&](error why) {
    refuse(why);
    sql_.reset();
    database_.close();
    // No job was accepted yet, so an open that failed in another way can be tried again later.
    return fail(why.code == errc::store_failed ? errc::io_error : why.code, why.text);
  };
  const auto path = options_.folder + "/" + file_name;
  const schema_options schema{.vfs = options_.vfs,
                              .flush = options_.flush,
                              .log_limit = static_cast<std::int64_t>(options_.checkpoint_pages) *
                                           2 * page_bytes};
  if (auto ready = prepare(path, schema); !ready) {
    return give_up(ready.error());
  }
  auto opened = open_database(path, schema, sums_);
  if (!opened) {
    return give_up(opened.error());
  }
  database_ = std::move(*opened);
  sql_.emplace(database_);
  checkpoint_at_ = options_.checkpoint_pages;
  sqlite3_wal_hook(database_.handle(), remember_log_pages, &log_pages_);

  job_store::recovered found;
  auto meta = load_meta();
  meta = meta ? check_mark() : meta;
  auto rows = meta ? load_rows() : fail(meta.error());
  auto ready = rows ? begin_work(path) : fail(rows.error());
  if (!ready) {
    return give_up(ready.error());
  }
  found.rows = std::move(*rows);
  if (!found.rows.empty()) {
    last_order_ = std::max(last_order_, found.rows.back().order);
  }
  found.last_order = last_order_;
  texts_.sweep();
  return found;
}

/// Everything that was read fits; from here on the store is written to.
result<void> store_file::begin_work(const std::string& path) {
  std::vector<std::string> names = options_.watched;
  names.insert(names.end(),
               {options_.folder, options_.folder + "/" + texts_name, path, path + "-wal"});
  if (auto known = names_.begin(files_, names); !known) {
    return known;
  }
  mark_.begin(commits_);
  reserve_ = space_reserve{files_, options_.folder, options_.reserve};
  if (const auto pages = reserve_.wanted() / page_bytes * 4 / 5; pages > 0) {
    // The log must fit into the file with the space of the reserve.
    options_.checkpoint_pages = std::min(options_.checkpoint_pages, pages);
    checkpoint_at_ = options_.checkpoint_pages;
  }
  const auto shrinkable = make_shrinkable(rewrite_max);
  return shrinkable || shrinkable.error().code == errc::storage_full ? result<void>{}
                                                                     : fail(shrinkable.error());
}

result<void> store_file::check_mark() const {
  const auto acknowledged = mark_.acknowledged();
  if (acknowledged <= commits_) {
    return {};
  }
  return fail(errc::store_corrupt,
              std::to_string(acknowledged) +
                  " commits were acknowledged, and the file and its log "
                  "hold " +
                  std::to_string(commits_) +
                  " of them: the log is damaged, or they are an "
                  "older copy. Nothing was changed. To go on without what is missing, remove " +
                  mark_.path());
}

result<void> store_file::prepare(const std::string& path, const schema_options& schema) {
  if (auto fit = files_.prepare(options_.folder); !fit) {
    return fit;
  }
  mark_ = store_mark{files_, options_.folder + "/jobs.mark"};
  texts_ = text_files{files_, options_.folder + "/" + texts_name};
  if (auto made = texts_.prepare(); !made) {
    return made;
  }
  const auto log = files_.read(path + "-wal", 1);
  const auto file = files_.read(path, 100);
  if (file) {
    if (auto ours = check_head(*file); !ours) {
      return ours;
    }
    return log && !log->empty() ? take_over_log(path + "-wal") : result<void>{};
  }
  if (file.error().code != errc::not_found) {
    return fail(file.error());
  }
  if (log && !log->empty()) {
    return fail(errc::store_corrupt, "the store's file is gone, and its write-ahead log is there");
  }
  return create(path, schema);
}

/// Nothing is written to a log that is damaged.
result<void> store_file::take_over_log(const std::string& path) {
  constexpr std::size_t looked_at = std::size_t{256} << 20; // logs of this release are shorter
  const auto log = files_.read(path, looked_at);
  if (!log) {
    return fail(log.error());
  }
  if (const auto frame = damaged_frame(*log)) {
    return fail(errc::store_corrupt,
                "the write-ahead log is damaged: frame " + std::to_string(*frame) +
                    " does not fit its checksum, and commits behind it do; it was not changed");
  }
  return files_.write_again(path);
}

result<void> store_file::create(const std::string& path, const schema_options& schema) {
  const auto unfinished = path + ".new";
  for (const char* const part : {"", "-journal", "-wal"}) {
    if (auto gone = files_.remove(unfinished + part); !gone) {
      return gone;
    }
  }
  auto done = files_.remove(mark_.path());
  done = done ? files_.make_file(unfinished) : done;
  done = done ? create_database(unfinished, schema, sums_) : done;
  done = done ? files_.remove(unfinished + "-wal") : done;
  done = done ? files_.rename(unfinished, path) : done;
  return done ? files_.sync_folder(options_.folder) : done;
}

result<void> store_file::load_meta() {
  const auto tables = sum_of_tables(database_);
  if (!tables) {
    return fail(tables.error());
  }
  tables_ = *tables;
  statement query{database_, read_meta_sql(stored_tables.meta)};
  const auto row = query.step();
  if (!row) {
    return fail(row.error());
  }
  std::optional<store_clock::saved> last;
  sums_.set({});
  if (*row) {
    meta_row meta;
    if (const bool fits = read_meta(query, meta); !fits || meta.tables != tables_) {
      return fail(errc::store_corrupt, fits ? "the tables of the store are not as they were made"
                                            : "the row of the whole store is damaged");
    }
    last_order_ = meta.last_order;
    last = std::move(meta.clock);
    commits_ = meta.commits;
    sums_.set({.rows = meta.jobs, .sum = meta.total});
    unsealed_ = meta.unsealed;
  }
  clock_ = store_clock{last, time_, options_.boot};
  return {};
}

result<std::vector<job_row>> store_file::load_rows() {
  const auto requests = database_.number("SELECT count(*) FROM requests");
  const auto states = database_.number("SELECT count(*) FROM states");
  if (!requests || !states) {
    return fail(requests ? states.error() : requests.error());
  }
  std::vector<job_row> rows;
  rows.reserve(static_cast<std::size_t>(*requests));
  std::unordered_set<std::string> ids;
  ids.reserve(static_cast<std::size_t>(*requests));
  row_sums::totals seen;
  bool some_damaged = false;
  statement query{database_, read_rows_sql(stored_tables)};
  for (;;) {
    const auto more = query.step();
    if (!more) {
      return fail(more.error());
    }
    if (!*more) {
      break;
    }
    auto next = read_next(query, clock_, unsealed_, seen);
    if (!next) {
      return fail(next.error());
    }
    if (!ids.insert(next->row.id.str()).second) {
      return fail(errc::store_corrupt, "two rows have the id " + next->row.id.str());
    }
    if (!next->input_file.empty()) {
      texts_.adopt(next->row.order, text_files::part::input, next->input_file);
    }
    if (!next->output_file.empty()) {
      texts_.adopt(next->row.order, text_files::part::output, next->output_file);
    }
    some_damaged = some_damaged || next->row.damaged;
    rows.push_back(std::move(next->row));
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  if (count != *requests || count != *states) {
    return fail(errc::store_corrupt, "the tables of the store do not fit together");
  }
  if (auto whole = check_totals(seen, some_damaged); !whole) {
    return fail(whole.error());
  }
  sums_.set(seen);
  return rows;
}

/// Detects rows of an earlier time, which fit their own checksums, and missing rows, which have
/// none: only the totals show them. When a row is damaged, its checksum may be what is damaged, so
/// then only the number of rows is compared.
result<void> store_file::check_totals(const row_sums::totals& found, bool some_damaged) const {
  const auto& expected = sums_.total();
  if (found.rows != expected.rows) {
    return fail(errc::store_corrupt, "the store has " + std::to_string(found.rows) + " rows, and " +
                                         std::to_string(expected.rows) + " were written");
  }
  if (found.sum != expected.sum && !some_damaged) {
    return fail(errc::store_corrupt, "some rows of the store are older than its totals");
  }
  return {};
}

} // namespace tayfa::store
