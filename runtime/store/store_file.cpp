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
bool brings_new(const batch& changes) {
  return std::any_of(changes.begin(), changes.end(), [](const change& each) {
    const auto* const row = std::get_if<put>(&each);
    return row != nullptr && (row->which & part_request) != 0;
  });
}

} // namespace

store_file::statements::statements(database& db)
    : put_request(db, put_sql(stored_tables.requests, main_sum | side_sum)),
      insert_state(db, put_sql(stored_tables.states, main_sum)),
      update_state(db, update_sql(stored_tables.states)),
      put_output(db, put_sql(stored_tables.results, main_sum)),
      put_chunks(db, put_sql(stored_tables.results, side_sum)),
      release_input(db, release_sql.data()),
      erase_request(db, "DELETE FROM requests WHERE job=? RETURNING sum"),
      erase_state(db, "DELETE FROM states WHERE job=? RETURNING sum"),
      erase_result(db, "DELETE FROM results WHERE job=? RETURNING sum"),
      read_input(db, read_input_sql(stored_tables)),
      read_output(db, read_output_sql(stored_tables)),
      put_meta(db, put_meta_sql(stored_tables.meta)), begin(db, "BEGIN IMMEDIATE"),
      commit(db, "COMMIT") {}

store_file::store_file(const time_source& time, file_system& files, store_file_options options)
    : time_(time), options_(std::move(options)), files_(files) {}

error store_file::refuse(error why) {
  if (!refusal_) {
    refusal_ = error{errc::store_failed, std::move(why.text)};
  }
  return *refusal_;
}

result<void> store_file::commit(std::span<const batch* const> batches) {
  if (refusal_ || !sql_) {
    return fail(refusal_.value_or(error{errc::store_failed, "the store is not open"}));
  }
  const bool empty =
      std::all_of(batches.begin(), batches.end(), [](auto* b) { return b->empty(); });
  const bool fresh =
      std::any_of(batches.begin(), batches.end(), [](auto* b) { return brings_new(*b); });
  if ((empty || fresh) && !reserve_.restore()) {
    return fail(errc::storage_full, "the reserve is in use");
  }
  if (empty) {
    return keep_names();
  }
  auto done = attempt(batches);
  if (!done && done.error().code == errc::storage_full && make_room()) {
    done = attempt(batches);
  }
  while (!done && done.error().code == errc::storage_full && !fresh && reserve_.give()) {
    make_room(); // the log may go where it belongs now
    if (refusal_) {
      return fail(*refusal_);
    }
    done = attempt(batches);
  }
  return done;
}

/// Refuses commits once a name means another file: the next process that opens the name would not
/// find them.
result<void> store_file::keep_names() {
  if (auto same = names_.look(); !same) {
    return fail(refuse(same.error()));
  }
  return {};
}

result<void> store_file::attempt(std::span<const batch* const> batches) {
  const auto last_order = last_order_;
  const auto total = sums_.total();
  auto done = transact(batches);
  if (done) {
    ++commits_;
    if (auto same = keep_names(); !same) {
      return same;
    }
    mark_.say(commits_);
    texts_.settle();
    return {};
  }
  if (done.error().code != errc::storage_full) {
    // The batch may be durable all the same, so its texts stay; the next open removes texts without
    // a row.
    return fail(refuse(done.error()));
  }
  last_order_ = last_order;
  sums_.set(total);
  if (auto undone = roll_back(); !undone) {
    return fail(refuse(undone.error()));
  }
  return done;
}

bool store_file::make_room() {
  if (log_pages_ == 0) {
    return false;
  }
  const auto left = checkpoint(SQLITE_CHECKPOINT_PASSIVE);
  if (!left && left.error().code != errc::storage_full) {
    refuse(left.error());
  }
  const bool moved = left && *left == 0;
  log_pages_ = moved ? 0 : log_pages_;
  return moved;
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
    const row_extras extras{.history = history, .input_released = releases};
    bind(sql_->update_state, stored_tables.states, main_sum,
         {.clock = clock_, .job = &what.row, .extras = &extras});
    if (auto done = sql_->update_state.run(); !done) { // the total learns of it in swap_sum()
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
  auto input = keep_text(row.order, text_files::part::input, row.request.input);
  if (!input) {
    return fail(input.error());
  }
  const auto history = history_text(row.history);
  const row_extras extras{.input = std::move(*input), .history = history};
  const row_source from{.clock = clock_, .job = &row, .extras = &extras};
  bind(sql_->put_request, stored_tables.requests, main_sum | side_sum, from);
  if (auto done = put_counted(sql_->put_request); !done) {
    return done;
  }
  bind(sql_->insert_state, stored_tables.states, main_sum, from);
  if (auto done = put_counted(sql_->insert_state); !done) {
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
    return erase_counted(sql_->erase_result, row.order);
  }
  row_extras extras;
  const row_source from{.clock = clock_, .job = &row, .extras = &extras};
  if (output) {
    auto text = keep_text(row.order, text_files::part::output, row.output);
    if (!text) {
      return fail(text.error());
    }
    extras.output = std::move(*text);
    bind(sql_->put_output, stored_tables.results, main_sum, from);
    if (auto done = put_counted(sql_->put_output); !done) {
      return done;
    }
  }
  if (chunks) {
    const auto text = chunks_text(row.chunks);
    extras.chunks = text;
    bind(sql_->put_chunks, stored_tables.results, side_sum, from);
    return put_counted(sql_->put_chunks);
  }
  return {};
}

result<void> store_file::put_counted(statement& put) {
  sums_.before_put();
  auto done = put.run();
  if (done) {
    sums_.after_put();
  }
  return done;
}

result<void> store_file::erase_counted(statement& erase, std::uint64_t order) {
  erase.bind_number(order);
  const auto was_there = erase.step();
  if (was_there && *was_there) {
    sums_.remove(erase.unsigned_number());
  }
  const auto ended = was_there && *was_there ? erase.step() : was_there;
  erase.reset();
  return ended ? result<void>{} : fail(ended.error());
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
    if (auto done = erase_counted(*sql, what.order); !done) {
      return done;
    }
  }
  return {};
}

result<void> store_file::write_meta() {
  const meta_row now{.last_order = last_order_,
                     .clock = clock_.save(time_),
                     .commits = commits_ + 1,
                     .jobs = sums_.total().rows,
                     .total = sums_.total().sum,
                     .unsealed = unsealed_,
                     .tables = tables_};
  bind(sql_->put_meta, stored_tables.meta, main_sum, {.clock = clock_, .meta = &now});
  return sql_->put_meta.run();
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
  const bool fits = sql.number() != 0;
  sql.reset();
  if (released) {
    return fail(errc::job_not_found, "the job's input was released");
  }
  if (!fits || (file.empty() && text.size() != bytes)) {
    return fail(errc::store_corrupt,
                "the row of job " + std::to_string(order) + " does not fit its checksum");
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
    // Frames that cannot be moved stay in the log; the next open finds them.
    static_cast<void>(checkpoint(SQLITE_CHECKPOINT_TRUNCATE));
    mark_.flush();
  }
  sql_.reset();
  database_.close();
  refuse({errc::store_failed, "the store is closed"});
}

} // namespace tayfa::store
