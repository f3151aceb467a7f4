#include "runtime/store/store_file.hpp"

#include <algorithm>
#include <limits>
#include <sqlite3.h>
#include <utility>

namespace tayfa::store {

namespace {

/// A released input of at most so many bytes stays in its page until its row is erased: taking it
/// out would rewrite the page and free nothing that another row could use.
constexpr std::string_view release_sql = "UPDATE requests SET input=NULL, input_file=NULL "
                                         "WHERE job=? AND input_bytes > 2048";
constexpr std::int64_t page_bytes = 4096;

int remember_log_pages(void* where, sqlite3*, const char*, int pages) {
  *static_cast<std::size_t*>(where) = static_cast<std::size_t>(std::max(pages, 0));
  return SQLITE_OK;
}

} // namespace

store_file::statements::statements(database& db)
    : put_request(db, put_request_sql), insert_state(db, insert_state_sql),
      update_state(db, update_state_sql), put_output(db, put_output_sql),
      put_chunks(db, put_chunks_sql), drop_result(db, "DELETE FROM results WHERE job=?"),
      release_input(db, release_sql.data()), erase_request(db, "DELETE FROM requests WHERE job=?"),
      erase_state(db, "DELETE FROM states WHERE job=?"),
      erase_result(db, "DELETE FROM results WHERE job=?"),
      read_input(db, "SELECT r.input, r.input_bytes, r.input_file, s.input_released FROM requests "
                     "AS r JOIN states AS s ON s.job = r.job WHERE r.job=?"),
      read_output(db, "SELECT o.output, o.output_bytes, o.output_file, 0 FROM states AS s LEFT "
                      "JOIN results AS o ON o.job = s.job WHERE s.job=?"),
      put_meta(db, "INSERT OR REPLACE INTO meta(one, last_order, boot, clock_offset, clock, wall) "
                   "VALUES(1,?,?,?,?,?)"),
      begin(db, "BEGIN IMMEDIATE"), commit(db, "COMMIT") {}

store_file::store_file(const time_source& time, file_system& files, store_file_options options)
    : time_(time), options_(std::move(options)), files_(files) {}

error store_file::refuse(error why) {
  if (!refusal_) {
    refusal_ = error{errc::store_failed, std::move(why.text)};
  }
  return *refusal_;
}

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

result<void> store_file::commit(std::span<const batch* const> batches) {
  if (refusal_ || !sql_) {
    return fail(refusal_.value_or(error{errc::store_failed, "the store is not open"}));
  }
  const auto last_order = last_order_;
  auto done = transact(batches);
  if (done) {
    texts_.settle();
    return {};
  }
  if (done.error().code != errc::storage_full) {
    // It may be durable all the same, so its texts stay; the next open removes what has no row.
    return fail(refuse(done.error()));
  }
  last_order_ = last_order;
  if (auto undone = roll_back(); !undone) {
    return fail(refuse(undone.error()));
  }
  return done;
}

result<void> store_file::transact(std::span<const batch* const> batches) {
  if (auto begun = sql_->begin.run(); !begun) {
    return begun;
  }
  for (const auto* each : batches) {
    for (const auto& next : *each) {
      if (auto applied = apply(next); !applied) {
        return applied;
      }
    }
  }
  if (auto written = write_meta(); !written) {
    return written;
  }
  if (auto flushed = texts_.flush_names(); !flushed) {
    // Never storage_full: a flush that failed leaves nothing known.
    return fail(errc::store_failed, flushed.error().text);
  }
  return sql_->commit.run();
}

result<void> store_file::roll_back() {
  result<void> done;
  if (database_.in_transaction()) {
    done = database_.run("ROLLBACK");
  }
  texts_.undo();
  return done;
}

result<void> store_file::apply(const change& what) {
  if (const auto* const row = std::get_if<put>(&what)) {
    return apply_put(*row);
  }
  return apply_erase(std::get<erase>(what));
}

result<void> store_file::apply_put(const put& what) {
  const bool releases = (what.which & part_input_released) != 0;
  if ((what.which & part_request) != 0) {
    if (auto done = put_new(what); !done) {
      return done;
    }
  } else {
    const auto history = history_text(what.row.history);
    bind_state(sql_->update_state, what.row, clock_, history, releases);
    if (auto done = sql_->update_state.run(); !done) {
      return done;
    }
    if (sqlite3_changes(database_.handle()) == 0) {
      return {}; // the row is gone, and stays gone
    }
  }
  if (releases) {
    if (auto done = release_input(what.row.order); !done) {
      return done;
    }
  }
  return put_results(what);
}

result<stored_text> store_file::keep_text(std::uint64_t order, text_files::part which,
                                          const shared_text& text) {
  if (text.size() <= job_store::inline_max) {
    texts_.drop(order, which);
    return stored_text{.here = text.view(), .file = {}, .bytes = text.size()};
  }
  auto name = texts_.keep(order, which, text.view());
  if (!name) {
    const auto& why = name.error();
    return fail(why.code == errc::storage_full ? errc::storage_full : errc::store_failed, why.text);
  }
  return stored_text{.here = {}, .file = std::move(*name), .bytes = text.size()};
}

result<void> store_file::put_new(const put& what) {
  const auto& row = what.row;
  const auto input = keep_text(row.order, text_files::part::input, row.request.input);
  if (!input) {
    return fail(input.error());
  }
  bind_request(sql_->put_request, row, clock_, *input);
  if (auto done = sql_->put_request.run(); !done) {
    return done;
  }
  const auto history = history_text(row.history);
  bind_state(sql_->insert_state, row, clock_, history, false);
  if (auto done = sql_->insert_state.run(); !done) {
    return done;
  }
  last_order_ = std::max(last_order_, row.order);
  return {};
}

result<void> store_file::put_results(const put& what) {
  const auto& row = what.row;
  const bool whole = (what.which & part_request) != 0;
  // An output that is in the store already and not in memory is not to be emptied.
  const bool output_is_here = !row.output.empty() || row.output_bytes == 0;
  const bool output = (whole || (what.which & part_output) != 0) && output_is_here;
  const bool chunks = whole || (what.which & part_chunks) != 0;
  if (output && chunks && row.output.empty() && row.chunks.empty()) {
    texts_.drop(row.order, text_files::part::output);
    sql_->drop_result.bind_number(row.order);
    return sql_->drop_result.run();
  }
  if (output) {
    const auto text = keep_text(row.order, text_files::part::output, row.output);
    if (!text) {
      return fail(text.error());
    }
    bind_output(sql_->put_output, row, *text);
    if (auto done = sql_->put_output.run(); !done) {
      return done;
    }
  }
  if (chunks) {
    const auto text = chunks_text(row.chunks);
    bind_chunks(sql_->put_chunks, row, text);
    return sql_->put_chunks.run();
  }
  return {};
}

result<void> store_file::release_input(std::uint64_t order) {
  texts_.drop(order, text_files::part::input);
  sql_->release_input.bind_number(order);
  return sql_->release_input.run();
}

result<void> store_file::apply_erase(const erase& what) {
  texts_.drop(what.order, text_files::part::input);
  texts_.drop(what.order, text_files::part::output);
  for (auto* const sql : {&sql_->erase_request, &sql_->erase_state, &sql_->erase_result}) {
    sql->bind_number(what.order);
    if (auto done = sql->run(); !done) {
      return done;
    }
  }
  return {};
}

result<void> store_file::write_meta() {
  const auto now = clock_.save(time_);
  auto& sql = sql_->put_meta;
  sql.bind_number(last_order_).bind(now.boot).bind(now.offset_ms);
  sql.bind(now.clock_ms).bind(now.wall_ms);
  return sql.run();
}

result<shared_text> store_file::fetch(std::uint64_t order, job_store::column which) {
  if (refusal_ || !sql_) {
    return fail(refusal_.value_or(error{errc::store_failed, "the store is not open"}));
  }
  auto& sql = which == job_store::column::input ? sql_->read_input : sql_->read_output;
  sql.bind_number(order);
  const auto row = sql.step();
  if (!row || !*row) {
    sql.reset();
    return row ? fail(errc::job_not_found)
               : fail(row.error().code == errc::store_corrupt ? errc::store_corrupt
                                                              : errc::io_error,
                      row.error().text);
  }
  auto text = sql.text();
  const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(sql.number(), 0));
  const auto file = sql.text();
  const bool released = sql.number() != 0;
  sql.reset();
  if (released) {
    return fail(errc::job_not_found, "the job's input was released");
  }
  return file.empty() ? shared_text{std::move(text)} : texts_.read(file, bytes);
}

result<int> store_file::checkpoint(int mode) {
  int left = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, mode, &left, &moved);
  if (code != SQLITE_OK) {
    return fail(database_.why(code, "moving the write-ahead log into the file"));
  }
  return left - moved;
}

void store_file::tidy() {
  if (refusal_ || !sql_ || log_pages_ < checkpoint_at_) {
    return;
  }
  const auto left = checkpoint(SQLITE_CHECKPOINT_PASSIVE);
  if (left && *left == 0) {
    log_pages_ = 0;
    checkpoint_at_ = options_.checkpoint_pages;
  } else if (left || left.error().code == errc::storage_full) {
    checkpoint_at_ = log_pages_ + options_.checkpoint_pages; // not again at once
  } else {
    refuse(left.error());
  }
}

void store_file::close() {
  if (sql_ && !refusal_) {
    // What cannot be moved stays in the log and is found at the next open.
    static_cast<void>(checkpoint(SQLITE_CHECKPOINT_TRUNCATE));
  }
  sql_.reset();
  database_.close();
  refuse({errc::store_failed, "the store is closed"});
}

} // namespace tayfa::store
