#include "runtime/store/sqlite_store.hpp"

#include "runtime/store/store_file.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa::store {

namespace {

struct open_op {
  std::function<void(result<job_store::recovered>)> done;
};
struct commit_op {
  batch changes;
  std::function<void(result<void>)> done;
};
struct fetch_op {
  std::uint64_t order;
  job_store::column which;
  std::function<void(result<shared_text>)> done;
};
struct close_op {
  std::function<void()> done;
};
using operation = std::variant<open_op, commit_op, fetch_op, close_op>;

constexpr std::chrono::milliseconds pause_before_rest{500};

} // namespace

/// The queue of operations, and the thread that performs them.
class sqlite_store::worker {
 public:
  worker(const time_source& time, sqlite_store_options options)
      : limit_(options.changes_per_commit),
        file_(time, options.files != nullptr ? *options.files : machine_,
              {.folder = std::move(options.folder),
               .vfs = std::move(options.vfs),
               .boot = std::move(options.boot),
               .checkpoint_pages = options.checkpoint_pages,
               .flush = options.flush,
               .reserve = options.reserve,
               .watched = std::move(options.watched)}) {
    if (!options.inline_mode) {
      thread_ = std::thread{[this] { run(); }};
    }
  }

  ~worker() {
    {
      const std::lock_guard guard{mutex_};
      stop_ = true;
      queue_.clear();
    }
    wake_.notify_one();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void add(operation next) {
    bool was_empty = false;
    {
      const std::lock_guard guard{mutex_};
      was_empty = queue_.empty();
      queue_.push_back(std::move(next));
    }
    if (was_empty) {
      wake_.notify_one();
    }
  }

  bool step() {
    auto group = take();
    if (group.empty()) {
      return false;
    }
    perform(std::move(group));
    return true;
  }

  std::size_t pending() const {
    const std::lock_guard guard{mutex_};
    return queue_.size();
  }
  std::size_t transactions() const { return transactions_; }
  bool has_reserve() const { return has_reserve_; }

  void on_failure(std::function<void(error)> call) {
    const std::lock_guard guard{mutex_};
    on_failure_ = std::move(call);
  }

  bool rest() {
    const bool refused_before = file_.refusal().has_value();
    const bool more = file_.rest();
    has_reserve_ = file_.has_reserve();
    if (!refused_before && file_.refusal()) {
      std::function<void(error)> call;
      {
        const std::lock_guard guard{mutex_};
        call = on_failure_;
      }
      if (call) {
        call(*file_.refusal());
      }
    }
    return more;
  }

 private:
  void run() {
    bool more = false; // to be done when nothing waits
    for (;;) {
      bool asked = false;
      {
        std::unique_lock lock{mutex_};
        asked = wake_.wait_for(lock, more ? std::chrono::milliseconds{0} : pause_before_rest,
                               [&] { return stop_ || !queue_.empty(); });
        if (stop_) {
          return;
        }
      }
      if (asked) {
        step();
        more = false;
      } else {
        more = rest();
      }
    }
  }

  /// The oldest operation; when it is a commit, with those right behind it that fit into the same
  /// transaction.
  std::vector<operation> take() {
    const std::lock_guard guard{mutex_};
    std::vector<operation> group;
    std::size_t changes = 0;
    while (!queue_.empty()) {
      const auto* const next = std::get_if<commit_op>(&queue_.front());
      const std::size_t more = next != nullptr ? next->changes.size() : 0;
      if (!group.empty() && (next == nullptr || changes + more > limit_)) {
        break;
      }
      changes += more;
      const bool alone = next == nullptr;
      group.push_back(std::move(queue_.front()));
      queue_.pop_front();
      if (alone) {
        break;
      }
    }
    return group;
  }

  void perform(std::vector<operation> group) {
    auto& first = group.front();
    if (std::holds_alternative<commit_op>(first)) {
      commit(std::move(group));
    } else if (auto* const opening = std::get_if<open_op>(&first)) {
      auto opened = file_.open();
      has_reserve_ = file_.has_reserve();
      opening->done(std::move(opened));
    } else if (auto* const fetching = std::get_if<fetch_op>(&first)) {
      fetching->done(fetch(fetching->order, fetching->which));
    } else {
      file_.close();
      std::get<close_op>(first).done();
    }
  }

  result<shared_text> fetch(std::uint64_t order, column which) {
    try {
      return file_.fetch(order, which);
    } catch (const std::bad_alloc&) {
      return fail(errc::busy, "there is no memory to read a text from the store");
    }
  }

  /// Fails without memory: then the outcome of the commit is unknown.
  result<void> commit(std::span<const batch* const> batches) {
    try {
      return file_.commit(batches);
    } catch (const std::bad_alloc&) {
      return fail(errc::store_failed, "no memory for a change");
    }
  }

  void commit(std::vector<operation> group) {
    std::vector<const batch*> batches;
    batches.reserve(group.size());
    for (const auto& each : group) {
      batches.push_back(&std::get<commit_op>(each).changes);
    }
    ++transactions_;
    auto done = commit(batches);
    const bool one_by_one = !done && done.error().code == errc::storage_full && batches.size() > 1;
    for (auto& each : group) {
      auto& op = std::get<commit_op>(each);
      if (one_by_one) {
        const batch* const alone = &op.changes;
        ++transactions_;
        done = commit({&alone, 1});
      }
      has_reserve_ = file_.has_reserve();
      op.done(done);
    }
    file_.tidy();
  }

  const std::size_t limit_;
  local_files machine_;
  store_file file_;
  mutable std::mutex mutex_; ///< guards the queue and stop_
  std::condition_variable wake_;
  std::deque<operation> queue_;
  bool stop_ = false;
  std::function<void(error)> on_failure_; ///< guarded by mutex_
  std::atomic<std::size_t> transactions_ = 0;
  std::atomic<bool> has_reserve_ = false;
  std::thread thread_; ///< last: it uses all of the above
};

sqlite_store::sqlite_store(const time_source& time, sqlite_store_options options)
    : worker_(std::make_unique<worker>(time, std::move(options))) {}
sqlite_store::~sqlite_store() = default;

void sqlite_store::open(std::function<void(result<recovered>)> done) {
  worker_->add(open_op{std::move(done)});
}
void sqlite_store::commit(batch changes, std::function<void(result<void>)> done) {
  worker_->add(commit_op{std::move(changes), std::move(done)});
}
void sqlite_store::fetch(std::uint64_t order, column which,
                         std::function<void(result<shared_text>)> done) {
  worker_->add(fetch_op{order, which, std::move(done)});
}
void sqlite_store::close(std::function<void()> done) {
  worker_->add(close_op{std::move(done)});
}
bool sqlite_store::step() {
  return worker_->step();
}
bool sqlite_store::rest() {
  return worker_->rest();
}
bool sqlite_store::has_reserve() const {
  return worker_->has_reserve();
}
void sqlite_store::on_failure(std::function<void(error)> call) {
  worker_->on_failure(std::move(call));
}
std::size_t sqlite_store::pending() const {
  return worker_->pending();
}
std::size_t sqlite_store::transactions() const {
  return worker_->transactions();
}

} // namespace tayfa::store
