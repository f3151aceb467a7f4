#include "runtime/store/pg/pg_head.hpp"
#include "runtime/store/pg/pg_read.hpp"
#include "runtime/store/pg/pg_schema.hpp"
#include "runtime/store/pg/pg_sql.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::int64_t page_rows = 256;
constexpr std::chrono::milliseconds look_again{200};
/// Within one boot of a machine the translation of the last process is taken over, and moments mean
/// exactly the same; unless the database's clock has gone somewhere else.
constexpr std::int64_t same_clock_ms = 60'000;

constexpr const char* exclude_others = "SELECT pg_advisory_xact_lock(6079246284187517265)";
constexpr const char* look_up_sql =
    "SELECT head, batch, last_order, clock_offset, clock, "
    "(extract(epoch FROM clock_timestamp()) * 1000)::bigint, boot, lease_until::text, address, "
    "(lease_until > clock_timestamp() AND holder <> $2::bytea AND (instance = '' OR "
    "instance <> $3::bytea)) FROM heads WHERE name = $1::bytea FOR UPDATE";
constexpr const char* make_sql =
    "INSERT INTO heads(head, name, epoch, batch, holder, instance, address, lease_until, "
    "last_order, boot, clock_offset, clock) SELECT coalesce(max(head), 0) + 1, $1::bytea, 0, 0, "
    "'', '', '', statement_timestamp(), coalesce(max(head), 0) << 40, '', 0, 0 FROM heads";
constexpr const char* take_sql =
    "UPDATE heads SET holder = $2::bytea, instance = $3::bytea, address = $4::bytea, "
    "boot = $5::bytea, clock_offset = $6::bigint, epoch = epoch + 1, "
    "lease_until = statement_timestamp() + $7::bigint * interval '1 millisecond' "
    "WHERE head = $1::bigint RETURNING epoch";

/// Part of a statement, so nothing but letters, digits and underscores.
std::string channel_of(const std::string& holder) {
  std::string out = "tayfa_";
  for (const char each : holder.substr(0, 40)) {
    const bool plain = (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9');
    out += plain ? each : '_';
  }
  return out;
}

} // namespace

/// Tries until it succeeds, fails for good, or the patience for a database that starts is over.
result<void> pg_head::wait_for_database(const std::function<result<void>()>& step) {
  const auto end = time_.now() + options_.open;
  for (;;) {
    auto done = step();
    const bool later = !done && done.error().code == errc::unavailable;
    if (!later) {
      return done;
    }
    session_.reset();
    if (time_.now() >= end || !pause_(look_again)) {
      return fail(errc::io_error, done.error().text);
    }
  }
}

result<job_store::recovered> pg_head::open() {
  const auto give_up = [this](const error& why) {
    refuse(why.text);
    // Nothing was accepted yet: it can be tried again later.
    const bool later = why.code == errc::store_failed || why.code == errc::unavailable;
    return fail(later ? errc::io_error : why.code, why.text);
  };
  if (!is_plain_name(options_.schema)) {
    return give_up(
        {errc::bad_config, "the name of the schema is not of the form [a-z_][a-z0-9_]*"});
  }
  std::string last_lease;
  std::int64_t last_order = 0;
  auto ready = wait_for_database([&]() -> result<void> {
    auto made = new_session(time_.now() + pg_step_patience);
    if (!made) {
      return fail(made.error());
    }
    session_.emplace(std::move(*made));
    session_since_ = real_.now();
    if (auto direct = check_direct(*session_, channel_of(options_.holder), time_); !direct) {
      return direct;
    }
    auto tables =
        prepare_tables(*session_, options_.schema, options_.holder, time_.now() + pg_step_patience);
    if (!tables) {
      return fail(tables.error());
    }
    cluster_ = std::move(*tables);
    auto asked = time_.now();
    auto found = look_up(asked + pg_step_patience);
    // A process that was killed holds its lease until it is over. One that renews it lives.
    while (found && found->is_used) {
      if (!last_lease.empty() && last_lease != found->lease) {
        return fail(errc::store_locked,
                    "head " + options_.name + " is used by another process" +
                        (found->address.empty() ? "" : " (" + found->address + ")") +
                        ", which renews its lease");
      }
      last_lease = found->lease;
      if (!pause_(look_again)) {
        return fail(errc::io_error, "the store is being closed");
      }
      asked = time_.now();
      found = look_up(asked + pg_step_patience);
    }
    if (!found) {
      return fail(found.error());
    }
    set_clock(*found, asked);
    last_order = found->last_order;
    return register_here(*found, time_.now() + pg_step_patience);
  });
  auto prepared = ready ? prepare() : ready;
  auto rows = prepared ? load(head_) : fail(prepared.error());
  if (!rows) {
    return give_up(rows.error());
  }
  last_order_ = static_cast<std::uint64_t>(last_order);
  return job_store::recovered{.rows = std::move(*rows), .last_order = last_order_};
}

/// Leaves the transaction open, with the head's row locked, unless the head is used.
result<pg_head::registration> pg_head::look_up(moment deadline) {
  const std::vector<pg_call> calls = {
      {.sql = "BEGIN"},
      {.sql = exclude_others},
      {.sql = look_up_sql,
       .values = {pg_bytes(options_.name), pg_bytes(options_.holder),
                  pg_bytes(options_.instance)}}};
  auto how = session_->run(calls, deadline);
  if (how.is_done() && how.rows[2].count() == 0) {
    const auto made =
        session_->run(pg_call{.sql = make_sql, .values = {pg_bytes(options_.name)}}, deadline);
    if (!made.is_done()) {
      return fail(error_of(made, errc::store_failed));
    }
    how = session_->run(calls, deadline); // its BEGIN warns, and changes nothing
  }
  if (!how.is_done()) {
    return fail(error_of(how, errc::store_failed));
  }
  const auto& row = how.rows[2];
  registration out{.head = row.number(0, 0),
                   .batch = row.number(0, 1),
                   .last_order = row.number(0, 2),
                   .clock_offset = row.number(0, 3),
                   .clock = row.number(0, 4),
                   .now = row.number(0, 5),
                   .boot = row.text(0, 6),
                   .lease = row.text(0, 7),
                   .address = row.text(0, 8),
                   .is_used = row.number(0, 9) != 0};
  if (out.is_used) {
    const auto undone = session_->run(pg_call{.sql = "ROLLBACK"}, deadline);
    if (!undone.is_done()) {
      return fail(error_of(undone, errc::store_failed));
    }
  }
  return out;
}

/// The database's clock is the one of all heads. It never runs backward for the jobs of this one.
void pg_head::set_clock(const registration& found, moment asked) {
  const auto mono = std::chrono::floor<std::chrono::milliseconds>(asked.time_since_epoch()).count();
  const bool same_boot = !options_.boot.empty() && options_.boot == found.boot;
  const auto as_before = mono + found.clock_offset;
  const bool goes_on =
      same_boot && as_before >= found.clock && std::abs(as_before - found.now) <= same_clock_ms;
  const auto offset = goes_on ? found.clock_offset : std::max(found.now, found.clock) - mono;
  clock_ = store_clock::with_offset(options_.boot, offset);
}

result<void> pg_head::register_here(const registration& found, moment deadline) {
  const auto sent = real_.now();
  const auto offset = clock_.to_store(moment{}); // of the monotonic clock's beginning
  const std::vector<pg_call> calls = {
      {.sql = take_sql,
       .values = {pg_number(found.head), pg_bytes(options_.holder), pg_bytes(options_.instance),
                  pg_bytes(options_.address), pg_bytes(options_.boot), pg_number(offset),
                  pg_number(options_.lease.count())}},
      {.sql = "COMMIT"}};
  const auto how = session_->run(calls, deadline);
  if (!how.is_done() || how.warned) {
    return fail(error_of(how, errc::store_failed));
  }
  head_ = found.head;
  batch_ = found.batch;
  epoch_ = how.rows[0].number(0, 0);
  trust(sent);
  return {};
}

result<std::vector<job_row>> pg_head::load(std::int64_t owner) {
  std::vector<job_row> out;
  for (std::int64_t last = -1;;) {
    const auto how =
        session_->run(pg_call{.sql = pg_read_page_sql(stored_tables),
                              .values = {pg_number(owner), pg_number(last), pg_number(page_rows)}},
                      deadline_of(static_cast<std::size_t>(page_rows) * job_store::inline_max * 2));
    if (!how.is_done()) {
      return fail(error_of(how, errc::store_failed));
    }
    auto page = read_jobs(how.rows[0], clock_);
    if (!page) {
      return page;
    }
    if (page->empty()) {
      return out;
    }
    last = static_cast<std::int64_t>(page->back().order);
    std::move(page->begin(), page->end(), std::back_inserter(out));
  }
}

} // namespace tayfa::store
