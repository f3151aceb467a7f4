// The share that a head has of the database, synchronously: a transaction at a time on the caller's
// thread. postgres_store puts queues and threads in front of it.
//
// A head owns the jobs whose rows name it. Its own row is the fence: each transaction first counts
// `batch` up, on condition that `epoch` and `batch` are what this process believes, and fails when
// they are not. Each connection begins by raising `epoch`, so whatever an earlier connection still
// has under way fails as well, and `batch` then says for good which batches were committed. A row
// whose `holder` is another process means that this head was taken over.
//
// Invariants: a transaction is committed as a whole or not at all; after errc::store_failed nothing
// is written ever again. Owned by one thread; holds_lease() may be asked by any.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"
#include "runtime/base/unique_fd.hpp"
#include "runtime/store/pg/pg_group.hpp"
#include "runtime/store/pg/pg_session.hpp"
#include "runtime/store/store.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::store {

struct pg_head_options {
  std::string name = "main";    ///< of this head: the same name, the same jobs
  std::string holder{};         ///< names this process; nobody else has it
  std::string instance{};       ///< names this process's data folder, which one process locks
  std::string address{};        ///< where people find this process
  std::string schema = "tayfa"; ///< of PostgreSQL, which the tables are in
  std::string boot{};           ///< boot id
  std::chrono::milliseconds connect{5'000}; ///< for each host
  std::chrono::milliseconds commit{10'000}; ///< for one transaction, and more for large ones
  std::chrono::milliseconds open{20'000};   ///< for a database that is not there yet
  std::chrono::milliseconds lease{10'000};  ///< after which another head may take the jobs
  std::chrono::milliseconds margin{1'000};  ///< by which this process trusts it less
  /// A head is dead when its lease is over on a connection that is as old as this (none: a lease),
  /// and still the same after the pause: heads that a database's absence has kept from renewing
  /// have had the time to do so.
  std::optional<std::chrono::milliseconds> adopt_after{};
  std::chrono::milliseconds adopt_recheck{1'000};
  /// A clock that goes on while this process is stopped: a lease does not wait. Null: the same.
  const time_source* real = nullptr;
};

class pg_head {
 public:
  /// The end of a try to commit.
  enum class tried : std::uint8_t {
    done,
    refused, ///< changed nothing, and would not another time
    again,   ///< changed nothing
    away,    ///< changed nothing: no connection
    unknown, ///< committed or not: the next try begins with finding out
    failed,  ///< nothing is done any more
  };
  struct attempt {
    tried how = tried::done;
    error why{};
  };
  struct counters {
    std::uint64_t transactions = 0, sessions = 0;
    std::uint64_t unknown_kept = 0, unknown_lost = 0; ///< ends that were found out
  };
  /// A head that the database knows.
  struct view {
    std::int64_t head = 0;
    std::string name, address;
    bool lives = false; ///< its lease is not over
    std::int64_t jobs = 0;
  };

  /// `pause` waits that long, and is false when the store is to end.
  pg_head(const pg_address&, const time_source&, const unique_fd& stop, pg_head_options,
          std::function<bool(std::chrono::milliseconds)> pause);

  result<job_store::recovered> open();
  pg_group group(std::span<const batch* const>) const;
  attempt try_commit(pg_group&);
  /// Renews the lease, on a new connection if there is none.
  attempt renew();
  /// Gives the lease back, so that the next process need not wait for its end.
  void close();

  /// Other connections of this process have to know this, once the store is open.
  struct identity {
    std::int64_t head = 0;
    std::string holder, cluster;
    store_clock clock;
  };
  identity who() const {
    return {.head = head_, .holder = options_.holder, .cluster = cluster_, .clock = clock_};
  }

  /// Takes jobs of a head that is dead (adopt_after, adopt_recheck): the unended first, then by
  /// order. errc::unavailable: nothing was taken, or the next call gives what was; another error as
  /// in try_commit().
  result<adopted_jobs> adopt(std::size_t most);
  result<std::vector<view>> heads();

  const std::optional<error>& refusal() const { return refusal_; }
  bool is_connected() const { return session_.has_value(); }
  /// True while no other head can have taken this one's jobs, by this process's own clock.
  bool holds_lease() const;
  const counters& counts() const { return counts_; }

 private:
  /// A head whose lease was seen to be over.
  struct silent_head {
    std::string lease;
    moment since;
  };
  struct taking {
    std::int64_t from = 0;
    std::string name;
    std::vector<std::int64_t> jobs;
  };
  struct registration {
    std::int64_t head = 0, batch = 0, last_order = 0, clock_offset = 0, clock = 0, now = 0;
    std::string boot, lease, address;
    bool is_used = false; ///< by another process, whose lease is not over
  };

  result<pg_session> new_session(moment deadline);
  result<void> wait_for_database(const std::function<result<void>()>&);
  result<void> prepare();
  result<void> enter();
  result<registration> look_up(moment deadline);
  result<void> register_here(const registration&, moment deadline);
  void set_clock(const registration&, moment asked);
  result<std::vector<job_row>> load(std::int64_t owner);
  /// Connects, fences what was under way, and learns whether it was committed.
  result<void> reconnect();
  attempt judge(const pg_group&, const pg_outcome&);
  attempt lost_or_away(const error&);
  pg_call fence(std::uint64_t last_order) const;
  attempt judge_check(std::string_view statement);
  void committed(std::uint64_t last_order);
  result<taking> find_dead();
  result<void> take(taking, std::size_t most);
  result<std::vector<job_row>> rows_of(const std::vector<std::int64_t>& jobs);
  result<pg_outcome> run_or_unavailable(const pg_call&);
  void trust(moment sent); ///< by real_: before a statement that renewed the lease was sent
  error taken_over();
  error refuse(std::string why);
  moment deadline_of(std::size_t bytes) const;

  const pg_address& address_;
  const time_source& time_;
  const unique_fd& stop_;
  const pg_head_options options_;
  const time_source& real_;
  const std::chrono::milliseconds margin_;
  const std::function<bool(std::chrono::milliseconds)> pause_;
  std::optional<pg_session> session_;
  store_clock clock_;
  std::string cluster_;
  std::int64_t head_ = 0, epoch_ = 0, batch_ = 0;
  std::uint64_t last_order_ = 0;
  std::optional<std::uint64_t> unknown_; ///< the last order of a batch whose end is not known
  bool kept_ = false;                    ///< it was found to be committed
  counters counts_;
  std::atomic<std::int64_t> trusted_ns_ = 0; ///< the lease holds until then
  moment session_since_;                     ///< by real_
  std::map<std::int64_t, silent_head> silent_;
  taking taking_;                ///< jobs that this head owns, or may, and has not given out yet
  std::optional<error> refusal_; ///< set: nothing more is done
};

} // namespace tayfa::store
