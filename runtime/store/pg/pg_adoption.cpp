// Jobs of heads whose lease is over: who they are, and how another head takes them.
#include "runtime/store/column_codecs.hpp"
#include "runtime/store/pg/pg_head.hpp"
#include "runtime/store/pg/pg_read.hpp"
#include "runtime/store/pg/pg_schema.hpp"
#include "runtime/store/pg/pg_sql.hpp"

#include <iterator>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::chrono::milliseconds look_again{200};

constexpr const char* heads_sql =
    "SELECT head, name, address, lease_until > clock_timestamp(), "
    "(SELECT count(*) FROM states WHERE owner = heads.head) FROM heads ORDER BY head";
constexpr const char* find_dead_sql =
    "SELECT head, name, lease_until::text FROM heads WHERE head <> $1::bigint AND "
    "lease_until < clock_timestamp() AND EXISTS (SELECT 1 FROM states WHERE owner = heads.head) "
    "ORDER BY head";
/// From here on its process can commit nothing, if it still runs, and learns who has its jobs.
constexpr const char* fence_dead_sql =
    "UPDATE heads SET epoch = epoch + 1, holder = '', address = $2::bytea "
    "WHERE head = $1::bigint AND holder <> '' AND lease_until < statement_timestamp()";
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

std::vector<std::int64_t> numbers_in(const pg_rows& rows) {
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(rows.count()));
  for (int i = 0; i < rows.count(); ++i) {
    out.push_back(rows.number(i, 0));
  }
  return out;
}
pg_value numbers_of(const std::vector<std::int64_t>& jobs) {
  pg_array out{column_type::integer};
  for (const auto each : jobs) {
    out.add(each);
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

result<pg_outcome> pg_head::run_or_unavailable(const pg_call& call) {
  auto how = session_->run(call, deadline_of(0));
  if (how.is_done()) {
    return how;
  }
  auto why = error_of(how, errc::io_error);
  if (how.how != pg_outcome::kind::refused) {
    session_.reset();
  }
  return fail(std::move(why));
}

/// A head that has been silent for long enough, without its jobs; 0: none.
result<pg_head::taking> pg_head::find_dead() {
  const auto now = real_.now();
  if (now - session_since_ < options_.adopt_after.value_or(options_.lease)) {
    return taking{};
  }
  const auto found = run_or_unavailable({.sql = find_dead_sql, .values = {pg_number(head_)}});
  if (!found) {
    return fail(found.error());
  }
  taking out;
  std::map<std::int64_t, silent_head> seen;
  const auto& rows = found->rows[0];
  for (int i = 0; i < rows.count(); ++i) {
    const auto head = rows.number(i, 0);
    auto lease = rows.text(i, 2);
    const auto known = silent_.find(head);
    const bool same = known != silent_.end() && known->second.lease == lease;
    const auto since = same ? known->second.since : now;
    if (out.from == 0 && now - since >= options_.adopt_recheck) {
      out.from = head;
      out.name = rows.text(i, 1);
    }
    seen.emplace(head, silent_head{std::move(lease), since});
  }
  silent_ = std::move(seen);
  return out;
}

/// Rows that cannot be read are left out: the others must not wait for them.
result<std::vector<job_row>> pg_head::rows_of(const std::vector<std::int64_t>& jobs) {
  const auto read = [this](const std::vector<std::int64_t>& some) -> result<std::vector<job_row>> {
    const auto found =
        run_or_unavailable({.sql = pg_read_jobs_sql(stored_tables), .values = {numbers_of(some)}});
    return found ? read_jobs(found->rows[0], clock_) : fail(found.error());
  };
  auto all = read(jobs);
  if (all || all.error().code != errc::store_corrupt) {
    return all;
  }
  std::vector<job_row> out;
  for (const auto job : jobs) {
    auto one = read({job});
    if (one) {
      std::move(one->begin(), one->end(), std::back_inserter(out));
    } else if (one.error().code != errc::store_corrupt) {
      return one;
    }
  }
  return out;
}

/// Fences the dead head and becomes the owner of its most urgent jobs.
result<void> pg_head::take(taking dead, std::size_t most) {
  const auto here = options_.name + " at " + options_.address;
  const auto fenced =
      run_or_unavailable({.sql = fence_dead_sql, .values = {pg_number(dead.from), pg_bytes(here)}});
  if (!fenced) {
    return fail(fenced.error());
  }
  const auto chosen = run_or_unavailable(
      {.sql = choose_sql,
       .values = {pg_number(dead.from), pg_number(static_cast<std::int64_t>(most))}});
  if (!chosen) {
    return fail(chosen.error());
  }
  dead.jobs = numbers_in(chosen->rows[0]);
  auto group = whole_transaction(
      {{.sql = still_dead_sql, .values = {pg_number(dead.from)}},
       {.sql = take_sql,
        .values = {pg_number(head_), pg_number(dead.from), numbers_of(dead.jobs)}}});
  taking_ = std::move(dead);
  auto end = try_commit(group);
  while (end.how == tried::unknown && pause_(look_again)) {
    end = try_commit(group); // taking what is taken changes nothing
  }
  if (end.how == tried::done) {
    return {};
  }
  if (end.how != tried::unknown) {
    taking_ = {};
  }
  return fail(end.why);
}

result<adopted_jobs> pg_head::adopt(std::size_t most) {
  if (const auto sure = renew(); sure.how != tried::done) {
    return fail(sure.why);
  }
  if (taking_.from == 0) {
    auto dead = find_dead();
    if (!dead || dead->from == 0) {
      return dead ? result<adopted_jobs>{} : fail(dead.error());
    }
    if (auto taken = take(std::move(*dead), most); !taken) {
      return fail(taken.error());
    }
  }
  // From here on this head owns them: an error leaves them for the next call.
  const auto taken = run_or_unavailable(
      {.sql = taken_sql, .values = {numbers_of(taking_.jobs), pg_number(head_)}});
  if (!taken) {
    return fail(taken.error());
  }
  auto rows = rows_of(numbers_in(taken->rows[0]));
  if (!rows) {
    return fail(rows.error());
  }
  auto done = std::exchange(taking_, {});
  return adopted_jobs{.from = std::move(done.name), .rows = std::move(*rows)};
}

} // namespace tayfa::store
