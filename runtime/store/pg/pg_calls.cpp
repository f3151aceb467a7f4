// Calls from head to head: rows that one makes and the other answers.
#include "runtime/store/pg/pg_exchange.hpp"

#include <algorithm>
#include <set>

namespace tayfa::store {

namespace {

constexpr std::int64_t calls_at_once = 256; ///< that are taken in a round

constexpr const char* alive_sql =
    "SELECT head FROM heads WHERE head = ANY($1::bigint[]) AND lease_until > clock_timestamp()";
/// A row that is there already was sent over a connection that was cut.
constexpr const char* send_sql =
    "INSERT INTO calls(call, to_head, from_head, until, body, taken) SELECT u.call, u.head, "
    "$5::bigint, clock_timestamp() + u.left_ms * interval '1 millisecond', u.body, false FROM "
    "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u(call, head, left_ms, body) "
    "JOIN heads ON heads.head = u.head WHERE heads.lease_until > clock_timestamp() "
    "ON CONFLICT (call) DO NOTHING";
/// Nothing for a process that is not the head any more.
constexpr const char* take_sql =
    "UPDATE calls SET taken = true WHERE call IN (SELECT call FROM calls WHERE to_head = "
    "$1::bigint "
    "AND NOT taken AND until > clock_timestamp() ORDER BY until LIMIT $3::bigint "
    "FOR UPDATE SKIP LOCKED) AND EXISTS (SELECT 1 FROM heads WHERE head = $1::bigint AND "
    "holder = $2::bytea) RETURNING call, body, "
    "(extract(epoch FROM until - clock_timestamp()) * 1000)::bigint";
constexpr const char* answer_sql =
    "UPDATE calls SET answer = u.answer FROM unnest($1::bigint[], $2::bytea[]) AS u(call, answer) "
    "WHERE calls.call = u.call RETURNING from_head";
constexpr const char* answered_sql =
    "DELETE FROM calls WHERE call = ANY($1::bigint[]) AND answer IS NOT NULL "
    "RETURNING call, answer";

std::set<std::int64_t> numbers_in(const pg_rows& rows) {
  std::set<std::int64_t> out;
  for (int i = 0; i < rows.count(); ++i) {
    out.insert(rows.number(i, 0));
  }
  return out;
}

} // namespace

/// No two processes have the same, and no process gives one twice.
std::int64_t pg_exchange::new_number() {
  std::uint64_t hash = 14'695'981'039'346'656'037U; // FNV-1a
  for (const char each : me_->holder + ":" + std::to_string(++numbers_)) {
    hash = (hash ^ static_cast<unsigned char>(each)) * 1'099'511'628'211U;
  }
  return static_cast<std::int64_t>(hash >> 1);
}

bool pg_exchange::send_calls() {
  if (work_.calls.empty()) {
    return true;
  }
  pg_array numbers{column_type::integer};
  pg_array heads{column_type::integer};
  pg_array lefts{column_type::integer};
  pg_array bodies{column_type::text};
  pg_array targets{column_type::integer};
  std::set<std::int64_t> distinct;
  for (auto& each : work_.calls) {
    each.number = each.number == 0 ? new_number() : each.number;
    numbers.add(each.number);
    heads.add(each.head);
    lefts.add(std::chrono::ceil<std::chrono::milliseconds>(time_.until(each.deadline)).count());
    bodies.add(std::string_view{each.body});
    if (distinct.insert(each.head).second) {
      targets.add(each.head);
    }
  }
  std::vector<pg_call> calls = {{.sql = alive_sql, .values = {targets.take()}},
                                {.sql = send_sql,
                                 .values = {numbers.take(), heads.take(), lefts.take(),
                                            bodies.take(), pg_number(me_->head)}}};
  for (const auto head : distinct) {
    calls.push_back(notification(head));
  }
  const auto how = ask(calls);
  if (!how) {
    return false;
  }
  const auto alive = numbers_in(how->rows[0]);
  for (auto& each : std::exchange(work_.calls, {})) {
    if (alive.contains(each.head)) {
      const auto number = each.number;
      calls_.emplace(number, std::move(each));
    } else {
      end(each, fail(dead(each.head)));
    }
  }
  return true;
}

error pg_exchange::dead(std::int64_t head) {
  return {errc::unavailable, "head " + std::to_string(head) +
                                 " has died, and another head takes over its jobs; ask again"};
}

/// Answers that do not reach the table are lost: their callers are refused in time.
bool pg_exchange::send_answers() {
  if (work_.answers.empty()) {
    return true;
  }
  pg_array numbers{column_type::integer};
  pg_array texts{column_type::text};
  for (const auto& [number, text] : std::exchange(work_.answers, {})) {
    numbers.add(number);
    texts.add(std::string_view{text});
  }
  const auto how = ask({{.sql = answer_sql, .values = {numbers.take(), texts.take()}}});
  if (!how) {
    return false;
  }
  std::vector<pg_call> calls;
  for (const auto head : numbers_in(how->rows[0])) {
    calls.push_back(notification(head));
  }
  return calls.empty() || ask(calls).has_value();
}

bool pg_exchange::take_calls() {
  std::shared_ptr<const std::function<void(head_call)>> server;
  {
    const std::lock_guard guard{inbox_->mutex};
    server = inbox_->server;
  }
  if (!server) {
    return true;
  }
  const auto how =
      ask({{.sql = take_sql,
            .values = {pg_number(me_->head), pg_bytes(me_->holder), pg_number(calls_at_once)}}});
  if (!how) {
    return false;
  }
  const auto& rows = how->rows[0];
  for (int i = 0; i < rows.count(); ++i) {
    (*server)({.body = rows.text(i, 1),
               .left = std::chrono::milliseconds{rows.number(i, 2)},
               .answer = [to = inbox_, number = rows.number(i, 0)](std::string text) {
                 {
                   const std::lock_guard guard{to->mutex};
                   if (to->stopped || text.size() > shared_store::answer_max) {
                     return;
                   }
                   to->fresh.answers.emplace(number, std::move(text));
                 }
                 wake_up(to->wake);
               }});
  }
  if (rows.count() == calls_at_once) {
    next_poll_ = time_.now(); // there may be more
  }
  return true;
}

bool pg_exchange::take_answers() {
  if (calls_.empty()) {
    return true;
  }
  pg_array numbers{column_type::integer};
  pg_array heads{column_type::integer};
  std::set<std::int64_t> distinct;
  for (const auto& [number, each] : calls_) {
    numbers.add(number);
    if (distinct.insert(each.head).second) {
      heads.add(each.head);
    }
  }
  const auto how = ask({{.sql = answered_sql, .values = {numbers.take()}},
                        {.sql = alive_sql, .values = {heads.take()}}});
  if (!how) {
    return false;
  }
  const auto& rows = how->rows[0];
  for (int i = 0; i < rows.count(); ++i) {
    if (auto node = calls_.extract(rows.number(i, 0)); !node.empty()) {
      end(node.mapped(), result<std::string>{rows.text(i, 1)});
    }
  }
  const auto alive = numbers_in(how->rows[1]);
  std::vector<call_op> ends;
  for (auto at = calls_.begin(); at != calls_.end();) {
    if (alive.contains(at->second.head)) {
      ++at;
    } else {
      ends.push_back(std::move(at->second));
      at = calls_.erase(at);
    }
  }
  for (auto& each : ends) {
    end(each, fail(dead(each.head)));
  }
  return true;
}

} // namespace tayfa::store
