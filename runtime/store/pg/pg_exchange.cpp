#include "runtime/store/pg/pg_exchange.hpp"

#include "runtime/store/pg/pg_read.hpp"
#include "runtime/store/pg/pg_schema.hpp"
#include "runtime/store/pg/pg_sql.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <poll.h>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::chrono::milliseconds first_try_pause{100};
constexpr std::chrono::milliseconds longest_try_pause{2'000};
constexpr std::chrono::milliseconds round_patience{10'000};
constexpr std::chrono::seconds tidy_pause{30};
constexpr std::chrono::milliseconds to_drain{1};

error away(const std::string& why) {
  return {errc::unavailable, "the database: " + why};
}

} // namespace

pg_exchange::pg_exchange(const pg_address& address, const time_source& time, settings given)
    : address_(address), time_(time), settings_(std::move(given)),
      inbox_(std::make_shared<inbox>()), thread_([this] { run(); }) {}

void pg_exchange::stop() {
  work dropped; // their owners may do anything when they go
  {
    const std::lock_guard guard{inbox_->mutex};
    if (std::exchange(inbox_->stopped, true)) {
      return;
    }
    std::swap(dropped, inbox_->fresh);
    inbox_->server.reset();
  }
  wake_up(inbox_->stop);
  thread_.join();
}

// ---- other threads -----------------------------------------------------------------------------

void pg_exchange::begin(pg_head::identity me) {
  {
    const std::lock_guard guard{inbox_->mutex};
    inbox_->me = std::move(me);
  }
  wake_up(inbox_->wake);
}

void pg_exchange::serve(std::function<void(head_call)> server) {
  {
    const std::lock_guard guard{inbox_->mutex};
    inbox_->server = server
                         ? std::make_shared<const std::function<void(head_call)>>(std::move(server))
                         : nullptr;
  }
  wake_up(inbox_->wake);
}

template <class Op>
void pg_exchange::add(std::vector<Op> work::*list, Op op) {
  std::optional<error> refused;
  {
    const std::lock_guard guard{inbox_->mutex};
    if (inbox_->stopped) {
      refused = away("the store is being closed");
    } else if (inbox_->open >= settings_.most) {
      refused = error{errc::busy, "too much is asked of other heads; ask again"};
    } else {
      ++inbox_->open;
      (inbox_->fresh.*list).push_back(std::move(op));
    }
  }
  if (refused) {
    op.done(fail(std::move(*refused)));
    return;
  }
  wake_up(inbox_->wake);
}

void pg_exchange::find(const job_id& id, shared_store::find_done done) {
  add(&work::finds,
      find_op{.id = id, .done = std::move(done), .deadline = time_.now() + settings_.patience});
}
void pg_exchange::find(const job_key& key, shared_store::find_done done) {
  add(&work::finds,
      find_op{.key = key, .done = std::move(done), .deadline = time_.now() + settings_.patience});
}
void pg_exchange::others(std::function<void(result<std::vector<head_view>>)> done) {
  add(&work::others,
      others_op{.done = std::move(done), .deadline = time_.now() + settings_.patience});
}
void pg_exchange::call(std::int64_t head, std::string body, std::chrono::milliseconds longest,
                       std::function<void(result<std::string>)> done) {
  if (body.size() > shared_store::call_max) {
    done(fail(errc::payload_too_large, "too much for a call of another head"));
    return;
  }
  add(&work::calls, call_op{.head = head,
                            .body = std::move(body),
                            .done = std::move(done),
                            .deadline = time_.now() + longest});
}

// ---- the thread --------------------------------------------------------------------------------

template <class Op>
void pg_exchange::end_late(std::vector<Op>& list) {
  const auto now = time_.now();
  const auto late = std::stable_partition(list.begin(), list.end(),
                                          [now](const Op& each) { return each.deadline > now; });
  std::vector<Op> ends(std::make_move_iterator(late), std::make_move_iterator(list.end()));
  list.erase(late, list.end());
  for (auto& each : ends) {
    end(each, fail(away(away_)));
  }
}

void pg_exchange::refuse_late() {
  end_late(work_.finds);
  end_late(work_.others);
  end_late(work_.calls);
  std::vector<call_op> ends;
  for (auto at = calls_.begin(); at != calls_.end();) {
    if (at->second.deadline > time_.now()) {
      ++at;
    } else {
      ends.push_back(std::move(at->second));
      at = calls_.erase(at);
    }
  }
  for (auto& each : ends) {
    end(each, fail(errc::unavailable,
                   "head " + std::to_string(each.head) + " has not answered in time; ask again"));
  }
}

moment pg_exchange::next_due() const {
  auto out = !me_ || !wanted_ ? moment::max() : session_ ? next_poll_ : next_try_;
  const auto sooner = [&out](const auto& list) {
    for (const auto& each : list) {
      out = std::min(out, each.deadline);
    }
  };
  sooner(work_.finds);
  sooner(work_.others);
  sooner(work_.calls);
  for (const auto& [number, each] : calls_) {
    out = std::min(out, each.deadline);
  }
  return out;
}

void pg_exchange::wait_for_work() {
  const auto due = next_due();
  const auto left = due == moment::max()
                        ? settings_.poll
                        : std::chrono::ceil<std::chrono::milliseconds>(time_.until(due));
  std::array<pollfd, 3> fds{pollfd{inbox_->stop.get(), POLLIN, 0},
                            pollfd{inbox_->wake.get(), POLLIN, 0},
                            pollfd{session_ ? session_->socket() : -1, POLLIN, 0}};
  const auto span = std::clamp<std::int64_t>(left.count(), 0, settings_.poll.count());
  if (::poll(fds.data(), fds.size(), static_cast<int>(span)) > 0) {
    settle_down(inbox_->wake);
    while (session_ && fds[2].revents != 0 && session_->is_notified(time_.now() + to_drain)) {
    }
  }
}

void pg_exchange::run() {
  for (;;) {
    wait_for_work();
    {
      const std::lock_guard guard{inbox_->mutex};
      if (inbox_->stopped) {
        return;
      }
      me_ = me_ ? me_ : inbox_->me;
      auto fresh = std::exchange(inbox_->fresh, {});
      const auto move_all = [](auto& from, auto& to) {
        std::move(from.begin(), from.end(), std::back_inserter(to));
      };
      move_all(fresh.finds, work_.finds);
      move_all(fresh.others, work_.others);
      move_all(fresh.calls, work_.calls);
      work_.answers.merge(fresh.answers);
      wanted_ = inbox_->server != nullptr || inbox_->open > 0;
    }
    refuse_late();
    if (!me_ || (!session_ && (!wanted_ || !connect()))) {
      continue;
    }
    if (round()) {
      pollfd stop{inbox_->stop.get(), POLLIN, 0}; // more comes together
      ::poll(&stop, 1, static_cast<int>(settings_.pause.count()));
    }
  }
}

std::string pg_exchange::channel_of(std::int64_t head) const {
  std::string out = "tayfa_";
  for (const char each : me_->cluster.substr(0, 40)) {
    const bool plain = (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9');
    out += plain ? each : '_';
  }
  return out + "_" + std::to_string(head);
}

pg_call pg_exchange::notification(std::int64_t head) const {
  return {.sql = "SELECT pg_notify($1::text, '')", .values = {pg_bytes(channel_of(head))}};
}

bool pg_exchange::connect() {
  if (time_.now() < next_try_) {
    return false;
  }
  const auto give_up = [this](const std::string& why) {
    session_.reset();
    away_ = why;
    try_pause_ = std::clamp(try_pause_ * 2, first_try_pause, longest_try_pause);
    next_try_ = time_.now() + try_pause_;
    return false;
  };
  auto made = pg_session::connect(address_, settings_.connect, {time_, inbox_->stop});
  if (!made) {
    return give_up(made.error().text);
  }
  const auto deadline = time_.now() + pg_step_patience;
  if (auto set = settle_session(*made, settings_.schema, true, deadline); !set) {
    return give_up(set.error().text);
  }
  session_.emplace(std::move(*made));
  const auto cluster = cluster_name(*session_, deadline);
  if (!cluster || *cluster != me_->cluster) {
    return give_up(cluster ? "the address leads to another database" : cluster.error().text);
  }
  const auto heard = session_->run(pg_call{.sql = "LISTEN " + channel_of(me_->head)},
                                   time_.now() + pg_step_patience);
  if (!heard.is_done()) {
    return give_up(heard.text);
  }
  try_pause_ = {};
  return true;
}

/// Nothing: the connection is of no more use.
std::optional<pg_outcome> pg_exchange::ask(const std::vector<pg_call>& calls) {
  auto how = session_->run(calls, time_.now() + round_patience);
  if (how.is_done()) {
    return how;
  }
  away_ = how.text;
  session_.reset();
  next_try_ = time_.now() + first_try_pause;
  return std::nullopt;
}

bool pg_exchange::round() {
  next_poll_ = time_.now() + settings_.poll;
  return send_answers() && send_calls() && look_up() && list_others() && take_calls() &&
         take_answers() && tidy();
}

bool pg_exchange::tidy() {
  if (time_.now() < next_tidy_) {
    return true;
  }
  next_tidy_ = time_.now() + tidy_pause;
  return ask({{.sql = "DELETE FROM calls WHERE until < clock_timestamp() - interval '10 seconds'"}})
      .has_value();
}

// ---- reads -------------------------------------------------------------------------------------

namespace {

const std::string place_sql = "SELECT u.n, s.job, s.owner, h.name, h.lease_until > "
                              "clock_timestamp() FROM ";
const std::string place_joins = " JOIN states AS s ON s.job = i.job JOIN heads AS h ON "
                                "h.head = s.owner";
const std::string by_id_sql = place_sql +
                              "unnest($1::bytea[]) WITH ORDINALITY AS u(id, n) "
                              "JOIN ids AS i ON i.id = u.id" +
                              place_joins;
const std::string by_key_sql =
    place_sql +
    "unnest($1::bytea[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS u(endpoint, tenant, key, n) "
    "JOIN idempotency AS i ON i.endpoint = u.endpoint AND i.tenant = u.tenant AND i.key = u.key" +
    place_joins;

} // namespace

/// The place of each of them; none: it is nowhere.
std::optional<std::vector<std::optional<pg_exchange::place>>> pg_exchange::places() {
  pg_array ids{column_type::text};
  std::vector<pg_array> keys(3, pg_array{column_type::text});
  std::array<std::vector<std::size_t>, 2> asked; // by id, by key
  for (std::size_t i = 0; i < work_.finds.size(); ++i) {
    const auto& each = work_.finds[i];
    asked[each.id ? 0 : 1].push_back(i);
    if (each.id) {
      ids.add(std::string_view{each.id->str()});
    } else {
      keys[0].add(std::string_view{each.key.endpoint});
      keys[1].add(std::string_view{each.key.tenant});
      keys[2].add(std::string_view{each.key.key});
    }
  }
  const auto found =
      ask({{.sql = by_id_sql, .values = {ids.take()}},
           {.sql = by_key_sql, .values = {keys[0].take(), keys[1].take(), keys[2].take()}}});
  if (!found) {
    return std::nullopt;
  }
  std::vector<std::optional<place>> out(work_.finds.size());
  for (std::size_t kind = 0; kind < asked.size(); ++kind) {
    const auto& rows = found->rows[kind];
    for (int i = 0; i < rows.count(); ++i) {
      const auto which = asked[kind].at(static_cast<std::size_t>(rows.number(i, 0) - 1));
      const auto owner = rows.number(i, 2);
      out[which] = place{.job = rows.number(i, 1),
                         .owner = {.number = owner,
                                   .name = rows.text(i, 3),
                                   .is_here = owner == me_->head,
                                   .lives = rows.number(i, 4) != 0}};
    }
  }
  return out;
}

bool pg_exchange::look_up() {
  if (work_.finds.empty()) {
    return true;
  }
  const auto found = places();
  if (!found) {
    return false;
  }
  pg_array jobs{column_type::integer};
  for (const auto& each : *found) {
    if (each) {
      jobs.add(each->job);
    }
  }
  const auto rows = ask({{.sql = pg_read_jobs_sql(stored_tables), .values = {jobs.take()}}});
  if (!rows) {
    return false;
  }
  auto read = read_jobs(rows->rows[0], me_->clock);
  std::map<std::uint64_t, job_row> by_order;
  if (read) {
    for (auto& row : *read) {
      by_order.emplace(row.order, std::move(row));
    }
  }
  auto finds = std::exchange(work_.finds, {});
  for (std::size_t i = 0; i < finds.size(); ++i) {
    const auto& at = (*found)[i];
    const auto row = at ? by_order.find(static_cast<std::uint64_t>(at->job)) : by_order.end();
    if (!read) {
      end(finds[i], fail(read.error()));
    } else if (row == by_order.end()) {
      end(finds[i], result<std::optional<found_job>>{std::nullopt});
    } else {
      end(finds[i],
          result<std::optional<found_job>>{found_job{.owner = at->owner, .row = row->second}});
    }
  }
  return true;
}

bool pg_exchange::list_others() {
  if (work_.others.empty()) {
    return true;
  }
  const auto how = ask({{.sql = "SELECT head, name FROM heads WHERE head <> $1::bigint AND "
                                "lease_until > clock_timestamp() ORDER BY head",
                         .values = {pg_number(me_->head)}}});
  if (!how) {
    return false;
  }
  std::vector<head_view> out;
  for (int i = 0; i < how->rows[0].count(); ++i) {
    out.push_back(
        {.number = how->rows[0].number(i, 0), .name = how->rows[0].text(i, 1), .lives = true});
  }
  for (auto& each : std::exchange(work_.others, {})) {
    end(each, result<std::vector<head_view>>{out});
  }
  return true;
}

} // namespace tayfa::store
