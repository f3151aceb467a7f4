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
    // Whatever else the opening met, nothing was accepted yet: it can be tried again later.
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
  auto opened = open_database(path, schema);
  if (!opened) {
    return give_up(opened.error());
  }
  database_ = std::move(*opened);
  sql_.emplace(database_);
  checkpoint_at_ = options_.checkpoint_pages;
  sqlite3_wal_hook(database_.handle(), remember_log_pages, &log_pages_);

  job_store::recovered found;
  auto meta = load_meta();
  auto rows = meta ? load_rows() : fail(meta.error());
  if (!rows) {
    return give_up(rows.error());
  }
  found.rows = std::move(*rows);
  if (!found.rows.empty()) {
    last_order_ = std::max(last_order_, found.rows.back().order);
  }
  found.last_order = last_order_;
  texts_.sweep();
  return found;
}

result<void> store_file::prepare(const std::string& path, const schema_options& schema) {
  if (auto fit = files_.prepare(options_.folder); !fit) {
    return fit;
  }
  texts_ = text_files{files_, options_.folder + "/" + texts_name};
  if (auto made = texts_.prepare(); !made) {
    return made;
  }
  const auto log = files_.read(path + "-wal", 1);
  const auto file = files_.read(path, 1);
  if (file) {
    return log && !log->empty() ? files_.write_again(path + "-wal") : result<void>{};
  }
  if (file.error().code != errc::not_found) {
    return fail(file.error());
  }
  if (log && !log->empty()) {
    return fail(errc::store_corrupt, "the store's file is gone, and its write-ahead log is there");
  }
  return create(path, schema);
}

result<void> store_file::create(const std::string& path, const schema_options& schema) {
  const auto unfinished = path + ".new";
  for (const char* const part : {"", "-journal", "-wal"}) {
    if (auto gone = files_.remove(unfinished + part); !gone) {
      return gone;
    }
  }
  auto done = files_.make_file(unfinished);
  done = done ? create_database(unfinished, schema) : done;
  done = done ? files_.remove(unfinished + "-wal") : done;
  done = done ? files_.rename(unfinished, path) : done;
  return done ? files_.sync_folder(options_.folder) : done;
}

result<void> store_file::load_meta() {
  statement query{database_, "SELECT last_order, boot, clock_offset, clock, wall FROM meta"};
  const auto row = query.step();
  if (!row) {
    return fail(row.error());
  }
  std::optional<store_clock::saved> last;
  if (*row) {
    last_order_ = query.unsigned_number();
    last.emplace();
    last->boot = query.text();
    last->offset_ms = query.number();
    last->clock_ms = query.number();
    last->wall_ms = query.number();
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
  statement query{database_, read_rows_sql};
  for (;;) {
    const auto more = query.step();
    if (!more) {
      return fail(more.error());
    }
    if (!*more) {
      break;
    }
    auto next = read_next(query, clock_);
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
    rows.push_back(std::move(next->row));
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  if (count != *requests || count != *states) {
    return fail(errc::store_corrupt, "the tables of the store do not fit together");
  }
  return rows;
}

} // namespace tayfa::store
