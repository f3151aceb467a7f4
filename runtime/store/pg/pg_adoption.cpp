// Jobs of heads whose lease is over: who they are, and how another head takes them.
#include "runtime/store/column_codecs.hpp"
#include "runtime/store/pg/pg_head.hpp"
#include "runtime/store/pg/pg_read.hpp"
#include "runtime/store/pg/pg_schema.hpp"
#include "runtime/store/pg/pg_sql.hpp"

#include <utility>

namespace tayfa::store {

namespace {

constexpr std::chrono::milliseconds look_again{200};

constexpr const char* heads_sql =
    "SELECT head, name, address, lease_until > clock_timestamp(), "
    "(SELECT count(*) FROM states WHERE owner = heads.head) FROM heads ORDER BY head";
constexpr const char* find_dead_sql =
    "SELECT head FROM heads WHERE head <> $1::bigint AND lease_until < clock_timestamp() AND "
    "EXISTS (SELECT 1 FROM states WHERE owner = heads.head) ORDER BY head LIMIT 1";
/// From here on its process can commit nothing, if it still runs.
constexpr const char* fence_dead_sql =
    "UPDATE heads SET epoch = epoch + 1, holder = '' WHERE head = $1::bigint AND holder <> '' AND "
    "lease_until < statement_timestamp()";
const std::string choose_sql =
    "SELECT job FROM states WHERE owner = $1::bigint ORDER BY (state > " +
    std::to_string(number_of(job_state::IN_PROGRESS)) + "), job LIMIT $2::bigint";
/// Fails when the dead head has come back: its row has a holder again. It cannot come back before
/// the end of this transaction, which holds the row.
constexpr const char* still_dead_sql =
    "SELECT 1 / count(*) FROM (SELECT 1 FROM heads WHERE head = $1::bigint AND holder = '' "
    "FOR SHARE) AS dead";
constexpr const char* take_sql =
    "UPDATE states SET owner = $1::bigint FROM (SELECT job FROM states WHERE "
    "job = ANY($3::bigint[]) AND owner = $2::bigint ORDER BY job FOR UPDATE SKIP LOCKED) AS found "
    "WHERE states.job = found.job";
constexpr const char* taken_sql =
    "SELECT job FROM states WHERE job = ANY($1::bigint[]) AND owner = $2::bigint ORDER BY job";

pg_value numbers_of(const pg_rows& rows) {
  pg_array out{column_type::integer};
  for (int i = 0; i < rows.count(); ++i) {
    out.add(rows.number(i, 0));
  }
  return out.take();
}

} // namespace

result<std::vector<pg_head::view>> pg_head::heads() {
  if (!session_) {
    if (const auto back = renew(); back.how != tried::done) {
      return fail(back.why);
    }
  }
  const auto how = session_->run(pg_call{.sql = heads_sql}, deadline_of(0));
  if (!how.is_done()) {
    return fail(error_of(how, errc::io_error));
  }
  std::vector<view> out;
  for (int i = 0; i < how.rows[0].count(); ++i) {
    const auto& row = how.rows[0];
    out.push_back({.head = row.number(i, 0),
                   .name = row.text(i, 1),
                   .address = row.text(i, 2),
                   .lives = row.number(i, 3) != 0,
                   .jobs = row.number(i, 4)});
  }
  return out;
}

result<pg_head::adopted> pg_head::adopt(std::size_t most) {
  if (const auto sure = renew(); sure.how != tried::done) {
    return fail(sure.why);
  }
  const auto run = [this](pg_call call) -> result<pg_outcome> {
    auto how = session_->run(call, deadline_of(0));
    if (how.is_done()) {
      return how;
    }
    auto why = error_of(how, errc::io_error);
    if (how.how != pg_outcome::kind::refused) {
      session_.reset();
    }
    return fail(std::move(why));
  };
  const auto dead = run({.sql = find_dead_sql, .values = {pg_number(head_)}});
  if (!dead || dead->rows[0].count() == 0) {
    return dead ? result<adopted>{} : fail(dead.error());
  }
  const auto from = dead->rows[0].number(0, 0);
  const auto fenced = run({.sql = fence_dead_sql, .values = {pg_number(from)}});
  const auto chosen =
      fenced ? run({.sql = choose_sql,
                    .values = {pg_number(from), pg_number(static_cast<std::int64_t>(most))}})
             : fenced;
  if (!chosen) {
    return fail(chosen.error());
  }
  const auto jobs = numbers_of(chosen->rows[0]);
  auto group =
      whole_transaction({{.sql = still_dead_sql, .values = {pg_number(from)}},
                         {.sql = take_sql, .values = {pg_number(head_), pg_number(from), jobs}}});
  auto end = try_commit(group);
  while (end.how == tried::unknown && pause_(look_again)) {
    end = try_commit(group); // taking what is taken changes nothing
  }
  if (end.how != tried::done) {
    return fail(end.why);
  }
  const auto taken = run({.sql = taken_sql, .values = {jobs, pg_number(head_)}});
  if (!taken) {
    return fail(taken.error());
  }
  const auto rows =
      run({.sql = pg_read_jobs_sql(stored_tables), .values = {numbers_of(taken->rows[0])}});
  if (!rows) {
    return fail(rows.error());
  }
  auto read = read_jobs(rows->rows[0], clock_);
  if (!read) {
    return fail(read.error());
  }
  return adopted{.from = from, .rows = std::move(*read)};
}

} // namespace tayfa::store
