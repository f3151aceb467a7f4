// The threads of the store in PostgreSQL, and what they work on: the writing one, which owns the
// head, and the reading one; pg_exchange has its own.
//
// Owned by postgres_store; add() and the questions are thread safe, the rest is each thread's own.
#pragma once

#include "runtime/store/pg/postgres_store.hpp"

#include "runtime/base/wakeup.hpp"
#include "runtime/store/pg/pg_exchange.hpp"
#include "runtime/store/pg/pg_reader.hpp"
#include "runtime/store/pg/work_queue.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <poll.h>
#include <thread>
#include <utility>
#include <variant>

namespace tayfa::store {

namespace pg_work {

struct open_op {
  std::function<void(result<job_store::recovered>)> done;
};
struct commit_op {
  batch changes;
  std::function<void(result<void>)> done;
  std::size_t bytes = 0;
};
struct close_op {
  std::function<void()> done;
};
struct adopt_op {
  std::size_t most;
  std::function<void(result<adopted_jobs>)> done;
};
struct heads_op {
  std::function<void(result<std::vector<pg_head::view>>)> done;
};
using write_op = std::variant<open_op, commit_op, close_op, adopt_op, heads_op>;

struct fetch_op {
  std::uint64_t order;
  job_store::column which;
  std::function<void(result<shared_text>)> done;
  moment asked;
};
/// An end of changes; `splits`: each of their batches may have another one.
struct settled {
  result<void> how;
  bool splits = false;
};
using read_op = std::variant<fetch_op, close_op>;

} // namespace pg_work

/// The two threads and what they work on.
class postgres_store::worker {
  using open_op = pg_work::open_op;
  using commit_op = pg_work::commit_op;
  using close_op = pg_work::close_op;
  using adopt_op = pg_work::adopt_op;
  using heads_op = pg_work::heads_op;
  using write_op = pg_work::write_op;
  using fetch_op = pg_work::fetch_op;
  using read_op = pg_work::read_op;
  using settled = pg_work::settled;

 public:
  worker(const time_source& time, random_source& random, postgres_store_options options)
      : time_(time), random_(random), options_(std::move(options)), stop_(make_wakeup()),
        address_(pg_address::parse(options_.url)), usual_rest_(options_.head.lease / 3),
        rest_after_(usual_rest_) {
    if (address_) {
      exchange_.emplace(*address_, time_,
                        pg_exchange::settings{.schema = options_.head.schema,
                                              .connect = options_.head.connect,
                                              .patience = options_.patience});
      head_.emplace(*address_, time_, stop_, options_.head,
                    [this](std::chrono::milliseconds span) { return pause(span); });
      reader_.emplace(*address_, time_, stop_, options_.head.schema, options_.head.connect);
    }
    writer_thread_ = std::thread{[this] { write(); }};
    reader_thread_ = std::thread{[this] { read(); }};
  }

  ~worker() {
    wake_up(stop_);
    writes_.stop();
    reads_.stop();
    writer_thread_.join();
    reader_thread_.join();
  }

  void add(write_op next) { writes_.add(std::move(next)); }
  void add(read_op next) { reads_.add(std::move(next)); }

  void fetch_soon(fetch_op next) {
    next.asked = time_.now();
    add(read_op{std::move(next)});
  }

  /// Both threads answer what was asked for before.
  void close(std::function<void()> done) {
    struct both {
      std::atomic<int> left = 2;
      std::function<void()> done;
    };
    auto ends = std::make_shared<both>();
    ends->done = std::move(done);
    const auto one = [ends] {
      if (--ends->left == 0) {
        ends->done();
      }
    };
    add(write_op{close_op{one}});
    add(read_op{close_op{one}});
  }

  std::optional<error> trouble() const {
    const std::lock_guard guard{mutex_};
    return trouble_;
  }
  void on_failure(std::function<void(error)> call) {
    const std::lock_guard guard{mutex_};
    on_failure_ = std::move(call);
  }
  const std::string& name() const { return options_.head.name; }
  template <class Use, class Refuse>
  void exchange(Use use, Refuse refuse) {
    if (exchange_) {
      use(*exchange_);
    } else {
      refuse(address_.error());
    }
  }
  std::chrono::milliseconds lease() const { return options_.head.lease; }
  bool holds_lease() const { return head_ && head_->holds_lease(); }
  pg_head::counters counts() const {
    const std::lock_guard guard{mutex_};
    return counts_;
  }

 private:
  /// Waits; false when the store is being destroyed.
  bool pause(std::chrono::milliseconds span) const {
    pollfd stop{stop_.get(), POLLIN, 0};
    return ::poll(&stop, 1, static_cast<int>(span.count())) == 0;
  }
  /// Between 0 and a span that doubles from try to try.
  std::chrono::milliseconds pause_before(int tries) {
    const auto span = std::min(options_.pause_max, options_.pause_min * (1 << std::min(tries, 12)));
    return std::chrono::milliseconds{
        1 + static_cast<std::int64_t>(static_cast<double>(span.count()) * random_.unit())};
  }

  void set_trouble(std::optional<error> why) {
    const std::lock_guard guard{mutex_};
    trouble_ = std::move(why);
    counts_ = head_ ? head_->counts() : pg_head::counters{};
  }

  // ---- the writing thread ----------------------------------------------------------------------

  void write() {
    while (!writes_.is_stopped()) {
      const bool asked = writes_.wait(is_open_ ? rest_after_ : idle_);
      if (!asked) {
        rest();
        continue;
      }
      auto group = writes_.take([this, changes = std::size_t{0}, bytes = std::size_t{0}](
                                    const write_op& next, std::size_t taken) mutable {
        const auto* const commit = std::get_if<commit_op>(&next);
        changes += commit != nullptr ? commit->changes.size() : 0;
        bytes += commit != nullptr ? commit->bytes : 0;
        const bool fits =
            changes <= options_.changes_per_commit && bytes <= options_.bytes_per_commit;
        return taken == 0 ? (commit != nullptr ? take_more::after : take_more::alone)
               : commit != nullptr && fits ? take_more::after
                                           : take_more::before;
      });
      if (!group.empty()) {
        perform(std::move(group));
      }
    }
  }

  void perform(std::vector<write_op> group) {
    auto& first = group.front();
    if (std::holds_alternative<commit_op>(first)) {
      commit(std::move(group));
    } else if (auto* const opening = std::get_if<open_op>(&first)) {
      opening->done(open());
    } else if (auto* const adopting = std::get_if<adopt_op>(&first)) {
      adopting->done(is_open_ ? head_->adopt(adopting->most) : fail(not_open()));
      report_refusal();
    } else if (auto* const asking = std::get_if<heads_op>(&first)) {
      asking->done(is_open_ ? head_->heads() : fail(not_open()));
      report_refusal();
    } else {
      reported_ = true; // what ends now ends because it was asked to
      if (exchange_) {
        exchange_->stop();
      }
      if (is_open_) {
        head_->close();
      }
      std::get<close_op>(first).done();
    }
  }

  error not_open() const {
    return head_ && head_->refusal() ? *head_->refusal()
                                     : error{errc::store_failed, "the store is not open"};
  }

  result<job_store::recovered> open() {
    if (!address_) {
      return fail(address_.error());
    }
    auto found = head_->open();
    is_open_ = found.has_value();
    if (is_open_) {
      exchange_->begin(head_->who());
    }
    set_trouble({});
    return found;
  }

  /// Keeps the lease, and the connection, while nothing is asked.
  void rest() {
    if (!is_open_ || head_->refusal()) {
      return;
    }
    const auto how = head_->renew();
    const bool away = how.how != pg_head::tried::done && how.how != pg_head::tried::failed;
    rest_tries_ = away ? rest_tries_ + 1 : 0;
    rest_after_ = away ? pause_before(rest_tries_) : usual_rest_;
    set_trouble(away ? std::optional{error{errc::unavailable, how.why.text}} : std::nullopt);
    report_refusal();
  }

  /// Once: the store was found to have ended, with no commit under way that could say so.
  void report_refusal() {
    const auto why = head_ ? head_->refusal() : std::nullopt;
    if (!is_open_ || !why || std::exchange(reported_, true)) {
      return;
    }
    std::function<void(error)> call;
    {
      const std::lock_guard guard{mutex_};
      call = on_failure_;
    }
    if (call) {
      call(*why);
    }
  }

  void commit(std::vector<write_op> group) {
    std::vector<const batch*> batches;
    batches.reserve(group.size());
    for (const auto& each : group) {
      batches.push_back(&std::get<commit_op>(each).changes);
    }
    auto done = settle(batches);
    if (!done) {
      return; // the store is being destroyed: nobody hears anything
    }
    const bool one_by_one = done->splits && batches.size() > 1;
    for (auto& each : group) {
      auto& op = std::get<commit_op>(each);
      if (one_by_one) {
        const batch* const alone = &op.changes;
        done = settle({&alone, 1});
        if (!done) {
          return;
        }
      }
      op.done(done->how);
    }
  }

  /// Tries until the end of these batches is known, or patience is over with nothing changed. No
  /// value: the store is being destroyed.
  std::optional<settled> settle(std::span<const batch* const> batches) {
    if (!is_open_ || head_->refusal()) {
      return settled{fail(not_open())};
    }
    pg_group what;
    try {
      what = head_->group(batches);
    } catch (const std::bad_alloc&) {
      return settled{fail(errc::unavailable, "no memory for a change; nothing was changed"), true};
    }
    const auto end = time_.now() + options_.patience;
    for (int tries = 0;; ++tries) {
      const auto how = head_->try_commit(what);
      const bool waits = how.how == pg_head::tried::again || how.how == pg_head::tried::away ||
                         how.how == pg_head::tried::unknown;
      // A single cut that the next try mends is no trouble.
      set_trouble(waits && (tries > 0 || how.how == pg_head::tried::away)
                      ? std::optional{error{errc::unavailable, how.why.text}}
                      : std::nullopt);
      switch (how.how) {
      case pg_head::tried::done: return settled{};
      case pg_head::tried::failed: reported_ = true; return settled{fail(how.why)};
      case pg_head::tried::refused: return settled{fail(how.why), true};
      case pg_head::tried::again:
      case pg_head::tried::away:
        if (time_.now() >= end) {
          return settled{fail(errc::unavailable, how.why.text)};
        }
        break;
      case pg_head::tried::unknown: break; // however long it takes
      }
      if (!pause(tries == 0 ? std::chrono::milliseconds{0} : pause_before(tries))) {
        return std::nullopt;
      }
    }
  }

  // ---- the reading thread ----------------------------------------------------------------------

  void read() {
    while (!reads_.is_stopped()) {
      if (!reads_.wait(idle_)) {
        continue;
      }
      auto group = reads_.take([](const read_op&, std::size_t) { return take_more::alone; });
      if (group.empty()) {
        continue;
      }
      if (auto* const closing = std::get_if<close_op>(&group.front())) {
        is_closed_ = true;
        if (reader_) {
          reader_->close();
        }
        closing->done();
      } else {
        fetch(std::get<fetch_op>(group.front()));
      }
    }
  }

  void fetch(fetch_op& op) {
    if (!reader_ || is_closed_) {
      op.done(fail(errc::store_failed, "the store is not open"));
      return;
    }
    const auto end = op.asked + options_.patience; // those that wait behind it lose no time
    for (int tries = 0;; ++tries) {
      auto text = try_fetch(op);
      const bool later = !text && text.error().code == errc::unavailable && time_.now() < end;
      if (!later) {
        op.done(std::move(text));
        return;
      }
      if (!pause(pause_before(tries))) {
        return;
      }
    }
  }
  result<shared_text> try_fetch(const fetch_op& op) {
    try {
      return reader_->fetch(op.order, op.which);
    } catch (const std::bad_alloc&) {
      return fail(errc::busy, "no memory for a text of the store");
    }
  }

  static constexpr std::chrono::milliseconds idle_{60'000};

  const time_source& time_;
  random_source& random_;
  const postgres_store_options options_;
  const unique_fd stop_;
  const result<pg_address> address_;
  std::optional<pg_head> head_;     ///< of the writing thread
  std::optional<pg_reader> reader_; ///< of the reading one
  std::optional<pg_exchange> exchange_;
  std::atomic<bool> is_open_ = false;
  bool is_closed_ = false; ///< of the reading thread
  bool reported_ = false;  ///< that the store has ended; of the writing thread, as the two below
  int rest_tries_ = 0;
  const std::chrono::milliseconds usual_rest_;
  std::chrono::milliseconds rest_after_;
  mutable std::mutex mutex_; ///< guards the three below
  std::optional<error> trouble_;
  std::function<void(error)> on_failure_;
  pg_head::counters counts_;
  work_queue<write_op> writes_;
  work_queue<read_op> reads_;
  std::thread writer_thread_, reader_thread_; ///< last: they use all of the above
};

} // namespace tayfa::store
