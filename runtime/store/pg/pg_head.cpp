#include "runtime/store/pg/pg_head.hpp"

#include "runtime/store/pg/pg_schema.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::size_t least_rate = std::size_t{1} << 20; ///< bytes a second that a commit must move
constexpr const char* division_by_zero = "22012"; ///< how our statements say that a check failed

/// Zero rows, so a division by zero, unless this process still holds the head: a fence that only
/// read would see the state before a takeover, and let the transaction pass behind it.
constexpr const char* fence_sql =
    "WITH held AS (UPDATE heads SET batch = batch + 1, "
    "last_order = greatest(last_order, $4::bigint), clock = greatest(clock, $5::bigint), "
    "lease_until = statement_timestamp() + $6::bigint * interval '1 millisecond' "
    "WHERE head = $1::bigint AND epoch = $2::bigint AND batch = $3::bigint RETURNING 1) "
    "SELECT 1 / count(*) FROM held";
constexpr const char* renew_sql =
    "WITH held AS (UPDATE heads SET clock = greatest(clock, $3::bigint), "
    "lease_until = statement_timestamp() + $4::bigint * interval '1 millisecond' "
    "WHERE head = $1::bigint AND epoch = $2::bigint RETURNING 1) SELECT 1 / count(*) FROM held";
constexpr const char* release_sql = "UPDATE heads SET lease_until = statement_timestamp() "
                                    "WHERE head = $1::bigint AND epoch = $2::bigint";
/// Waits for a commit that is still under way, and fences what was not committed by then.
constexpr const char* enter_sql =
    "UPDATE heads SET epoch = greatest(epoch, $3::bigint) + 1, "
    "lease_until = statement_timestamp() + $4::bigint * interval '1 millisecond' "
    "WHERE head = $1::bigint AND holder = $2::bytea RETURNING epoch, batch";

} // namespace

pg_head::pg_head(const pg_address& address, const time_source& time, const unique_fd& stop,
                 pg_head_options options, std::function<bool(std::chrono::milliseconds)> pause)
    : address_(address), time_(time), stop_(stop), options_(std::move(options)),
      real_(options_.real != nullptr ? *options_.real : time_),
      margin_(std::min(options_.margin, options_.lease / 3)), pause_(std::move(pause)) {}

error pg_head::refuse(std::string why) {
  if (!refusal_) {
    refusal_ = error{errc::store_failed, std::move(why)};
    session_.reset();
  }
  return *refusal_;
}

moment pg_head::deadline_of(std::size_t bytes) const {
  return time_.now() + options_.commit + std::chrono::seconds{bytes / least_rate};
}

void pg_head::trust(moment sent) {
  trusted_ns_ = (sent + options_.lease - margin_).time_since_epoch().count();
}

bool pg_head::holds_lease() const {
  return real_.now().time_since_epoch().count() < trusted_ns_;
}

pg_group pg_head::group(std::span<const batch* const> batches) const {
  return make_group(batches, clock_, head_);
}

// ---- sessions ----------------------------------------------------------------------------------

result<pg_session> pg_head::new_session(moment deadline) {
  auto made = pg_session::connect(address_, options_.connect, {time_, stop_});
  if (!made) {
    return made;
  }
  ++counts_.sessions;
  if (auto set = settle_session(*made, options_.schema, true, deadline); !set) {
    return fail(set.error());
  }
  return made;
}

result<void> pg_head::prepare() {
  const auto deadline = time_.now() + pg_step_patience;
  auto all = pg_statements();
  all.emplace_back("fence", fence_sql);
  const auto how = session_->prepare(all, deadline);
  return how.is_done() ? result<void>{} : fail(error_of(how, errc::store_failed));
}

/// Raises the epoch of this process's head and compares the batches.
result<void> pg_head::enter() {
  const auto sent = real_.now();
  const auto how =
      session_->run(pg_call{.sql = enter_sql,
                            .values = {pg_number(head_), pg_bytes(options_.holder),
                                       pg_number(epoch_), pg_number(options_.lease.count())}},
                    time_.now() + pg_step_patience);
  if (!how.is_done()) {
    return fail(error_of(how, errc::store_failed));
  }
  if (how.warned) {
    return fail(errc::unavailable, "the database is not sure that it keeps a commit: " + how.text);
  }
  if (how.rows[0].count() != 1) {
    return fail(taken_over());
  }
  epoch_ = how.rows[0].number(0, 0);
  const auto found = how.rows[0].number(0, 1);
  const bool kept = unknown_ && found == batch_ + 1;
  if (found != batch_ && !kept) {
    return fail(refuse("the database is at batch " + std::to_string(found) + " of head " +
                       options_.name + ", and " + std::to_string(batch_) +
                       " were acknowledged: it has lost acknowledged jobs, or is an older copy (a "
                       "failover to a standby that was behind?)"));
  }
  if (unknown_) {
    ++(kept ? counts_.unknown_kept : counts_.unknown_lost);
    kept_ = kept;
    if (kept) {
      committed(*unknown_);
    }
    unknown_.reset();
  }
  trust(sent);
  return {};
}

result<void> pg_head::reconnect() {
  const auto deadline = time_.now() + options_.connect + pg_step_patience;
  auto made = new_session(deadline);
  if (!made) {
    return fail(made.error());
  }
  session_.emplace(std::move(*made));
  session_since_ = real_.now();
  silent_.clear();
  const auto give_up = [this](const error& why) {
    session_.reset();
    return fail(why);
  };
  const auto cluster = cluster_name(*session_, deadline);
  if (!cluster) {
    return give_up(cluster.error());
  }
  if (*cluster != cluster_) {
    return give_up(refuse("the address leads to another database now: its tables were made as " +
                          *cluster + ", and this store was opened as " + cluster_));
  }
  if (auto prepared = prepare(); !prepared) {
    return give_up(prepared.error());
  }
  if (auto entered = enter(); !entered) {
    return give_up(entered.error());
  }
  return {};
}

error pg_head::taken_over() {
  std::string who = "another head or process";
  const auto how = session_->run(pg_call{.sql = "SELECT address FROM heads WHERE head = $1::bigint",
                                         .values = {pg_number(head_)}},
                                 time_.now() + pg_step_patience);
  if (how.is_done() && how.rows[0].count() == 1 && !how.rows[0].bytes(0, 0).empty()) {
    who += " (" + how.rows[0].text(0, 0) + ")";
  }
  return refuse(who + " has taken over the jobs of head " + options_.name +
                ": nothing more is acknowledged here");
}

// ---- transactions ------------------------------------------------------------------------------

pg_call pg_head::fence(std::uint64_t last_order) const {
  return {.sql = "fence",
          .prepared = true,
          .values = {pg_number(head_), pg_number(epoch_), pg_number(batch_),
                     pg_number(static_cast<std::int64_t>(std::max(last_order, last_order_))),
                     pg_number(clock_.to_store(time_.now())), pg_number(options_.lease.count())}};
}

void pg_head::committed(std::uint64_t last_order) {
  ++batch_;
  ++counts_.transactions;
  last_order_ = std::max(last_order_, last_order);
}

pg_head::attempt pg_head::lost_or_away(const error& why) {
  if (refusal_) {
    return {tried::failed, *refusal_};
  }
  const bool later = why.code == errc::unavailable || why.code == errc::storage_full ||
                     why.code == errc::bad_config; // a password that is being changed, and its like
  if (!later) {
    return {tried::failed, refuse(why.text)};
  }
  return {unknown_ ? tried::unknown : tried::away, why};
}

pg_head::attempt pg_head::try_commit(pg_group& what) {
  if (refusal_) {
    return {tried::failed, *refusal_};
  }
  if (!session_) {
    kept_ = false;
    if (auto back = reconnect(); !back) {
      return lost_or_away(back.error());
    }
    if (std::exchange(kept_, false)) {
      return {};
    }
  }
  const auto sent = real_.now();
  what.calls[pg_group::fence] = fence(what.last_order);
  const auto how = session_->run(what.calls, deadline_of(what.bytes));
  if (how.is_done() && !how.warned && how.rows.back().tag() == "COMMIT") {
    committed(what.last_order);
    trust(sent);
    return {};
  }
  return judge(what, how);
}

pg_head::attempt pg_head::judge(const pg_group& what, const pg_outcome& how) {
  if (how.how == pg_outcome::kind::unsent) {
    session_.reset();
    return {tried::away, error_of(how, errc::unavailable)};
  }
  if (how.how != pg_outcome::kind::refused) {
    // A warning is a commit that no standby has: the next connection's own commit must be sure.
    session_.reset();
    unknown_ = what.last_order;
    return {tried::unknown, error_of(how, errc::unavailable)};
  }
  const auto undone = session_->run(pg_call{.sql = "ROLLBACK"}, time_.now() + pg_step_patience);
  const bool connected = undone.is_done() && how.state != "25006";
  if (!connected) {
    session_.reset();
    return {tried::away, error_of(how, errc::unavailable)};
  }
  if (how.state == division_by_zero) {
    return how.failed == pg_group::fence ? attempt{tried::failed, taken_over()}
                                         : judge_check(what.calls.at(how.failed).sql);
  }
  const auto why = error_of(how, errc::store_failed);
  if (why.code == errc::store_failed) {
    return {tried::failed, refuse(why.text)};
  }
  return {why.code == errc::storage_full ? tried::refused : tried::again, why};
}

/// A statement has found that its condition does not hold.
pg_head::attempt pg_head::judge_check(std::string_view statement) {
  if (statement == put_states_name) {
    return {tried::failed, refuse("the number of a new job is that of another head's job")};
  }
  if (statement == put_ids_name) {
    return {tried::refused, {errc::unavailable, "another head has a job with this id; ask again"}};
  }
  if (statement == put_keys_name) {
    return {tried::refused,
            {errc::unavailable,
             "another head has just accepted a job with this idempotency key; ask again"}};
  }
  return {tried::again, {errc::unavailable, "the other head has come back"}};
}

pg_head::attempt pg_head::renew() {
  if (refusal_) {
    return {tried::failed, *refusal_};
  }
  if (!session_) {
    auto back = reconnect();
    return back ? attempt{} : lost_or_away(back.error());
  }
  const auto sent = real_.now();
  const auto how = session_->run(pg_call{.sql = renew_sql,
                                         .values = {pg_number(head_), pg_number(epoch_),
                                                    pg_number(clock_.to_store(time_.now())),
                                                    pg_number(options_.lease.count())}},
                                 deadline_of(0));
  if (how.is_done()) {
    trust(sent);
    return {};
  }
  if (how.how == pg_outcome::kind::refused && how.state == division_by_zero) {
    return {tried::failed, taken_over()};
  }
  session_.reset(); // the next one finds out
  return lost_or_away(error_of(how, errc::store_failed));
}

void pg_head::close() {
  if (session_) {
    // A lease that cannot be released runs out.
    static_cast<void>(
        session_->run(pg_call{.sql = release_sql, .values = {pg_number(head_), pg_number(epoch_)}},
                      time_.now() + pg_step_patience));
  }
  refuse("the store is closed");
}

} // namespace tayfa::store
