#include "runtime/http_client/curl_poster.hpp"

#include "runtime/http_client/call_queues.hpp"
#include "runtime/http_client/curl_transfer.hpp"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <thread>
#include <unordered_map>

namespace tayfa {

namespace {

/// Upper bound only: a call, its end or a timeout wakes the thread.
constexpr int longest_sleep_ms = 60'000;

/// libcurl requires its global initialization before the first handle and before a second thread.
bool curl_is_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

std::size_t bytes_of(const outgoing_call& call) {
  std::size_t out = sizeof call + call.url.size() + body_size(call);
  for (const auto& [name, value] : call.headers) {
    out += name.size() + value.size();
  }
  return out;
}

} // namespace

class curl_poster::worker {
 public:
  using done_function = curl_transfer::done_function;
  using transfer_ptr = std::unique_ptr<curl_transfer>;

  explicit worker(poster_options);
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  call_ticket send(outgoing_call, done_function);
  void drop(call_ticket, std::chrono::milliseconds linger);

 private:
  /// Guarded and unguarded calls are separate: each kind waits and runs within its own bounds.
  struct lane {
    explicit lane(const poster_bounds& b)
        : bounds(b), queues(std::max<std::size_t>(b.per_target_max, 1)) {}

    const poster_bounds bounds;
    call_queues<transfer_ptr> queues; // the worker thread's
    std::size_t running = 0;          // the worker thread's
    std::size_t open = 0;             // guarded by the mutex
    std::size_t open_bytes = 0;       // guarded by the mutex
  };
  struct farewell {
    call_ticket ticket;
    std::chrono::milliseconds linger;
  };
  struct multi_deleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct refusal {
    done_function done;
    errc why;
  };

  void run();
  bool take_submissions();
  void queue(transfer_ptr);
  void begin_drop(const farewell&);
  void start_waiting(lane&);
  bool reap();
  bool end_goodbyes();
  bool end_overdue();
  int longest_sleep() const;
  moment now() const { return time_.now(); }
  void rest();
  void give_up_all();
  transfer_ptr stop_running(curl_transfer&);
  void settle(transfer_ptr, error);
  void let_go(const curl_transfer&);
  lane& lane_of(bool guarded) { return guarded ? guarded_ : unguarded_; }

  const poster_options options_;
  const system_time own_time_;
  const time_source& time_;
  curl_list pinned_;
  open_sockets sockets_; // before multi_, whose connections unregister here when they close
  std::unique_ptr<CURLM, multi_deleter> multi_;
  lane guarded_;
  lane unguarded_;

  std::mutex mutex_; // guards what follows, up to the blank line
  std::vector<transfer_ptr> arrived_;
  std::vector<refusal> refused_;
  std::vector<farewell> dropped_;
  call_ticket last_ticket_ = 0;
  bool stopping_ = false;

  // the worker thread's
  std::unordered_map<call_ticket, curl_transfer*> known_; ///< waiting and running
  std::unordered_map<curl_transfer*, transfer_ptr> running_;
  std::vector<curl_transfer*> lingering_; ///< running, but dropped
  std::thread thread_;
};

curl_poster::worker::worker(poster_options options)
    : options_(std::move(options)), time_(options_.time != nullptr ? *options_.time : own_time_),
      multi_(curl_is_ready() ? curl_multi_init() : nullptr), guarded_(options_.guarded),
      unguarded_(options_.unguarded) {
  bool ready = multi_ != nullptr;
  for (const auto& pin : options_.pinned) {
    ready = append(pinned_, pin) && ready;
  }
  if (!ready) {
    throw std::runtime_error{"libcurl cannot be used"};
  }
  curl_multi_setopt(
      multi_.get(), CURLMOPT_MAXCONNECTS,
      static_cast<long>(options_.guarded.in_flight_max + options_.unguarded.in_flight_max));
  // Only the main thread handles signals: the new thread, and those in which libcurl resolves
  // names, inherit a mask that blocks them all.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "tayfa-poster");
    run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

curl_poster::worker::~worker() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  curl_multi_wakeup(multi_.get());
  thread_.join();
}

call_ticket curl_poster::worker::send(outgoing_call call, done_function done) {
  const std::size_t bytes = bytes_of(call);
  lane& to = lane_of(call.guarded);
  call_ticket ticket = 0;
  {
    const std::lock_guard lock{mutex_};
    ticket = ++last_ticket_;
    if (stopping_ || to.open >= to.bounds.open_max ||
        bytes > to.bounds.open_bytes_max - to.open_bytes) {
      refused_.push_back({std::move(done), stopping_ ? errc::stopping : errc::queue_full});
    } else {
      arrived_.push_back(
          std::make_unique<curl_transfer>(ticket, std::move(call), std::move(done), bytes));
      ++to.open;
      to.open_bytes += bytes;
    }
  }
  curl_multi_wakeup(multi_.get());
  return ticket;
}

void curl_poster::worker::drop(call_ticket ticket, std::chrono::milliseconds linger) {
  {
    const std::lock_guard lock{mutex_};
    dropped_.push_back({ticket, linger});
  }
  curl_multi_wakeup(multi_.get());
}

void curl_poster::worker::run() {
  while (take_submissions()) {
    start_waiting(guarded_);
    start_waiting(unguarded_);
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    bool some_ended = reap();
    some_ended = end_goodbyes() || some_ended;
    some_ended = end_overdue() || some_ended;
    if (!some_ended) {
      rest();
    }
  }
  give_up_all();
}

/// False when the worker must stop.
bool curl_poster::worker::take_submissions() {
  std::vector<transfer_ptr> arrived;
  std::vector<refusal> refused;
  std::vector<farewell> dropped;
  bool stopping = false;
  {
    const std::lock_guard lock{mutex_};
    arrived.swap(arrived_);
    refused.swap(refused_);
    dropped.swap(dropped_);
    stopping = stopping_;
  }
  for (auto& r : refused) {
    r.done(fail(r.why, r.why == errc::queue_full ? "too many calls wait to be made" : ""));
  }
  for (auto& transfer : arrived) {
    if (stopping) {
      settle(std::move(transfer), {errc::stopping, {}});
    } else if (const auto checked = transfer->check(options_); !checked) {
      settle(std::move(transfer), checked.error());
    } else {
      queue(std::move(transfer));
    }
  }
  for (const auto& dropped_call : dropped) {
    begin_drop(dropped_call);
  }
  return !stopping;
}

void curl_poster::worker::queue(transfer_ptr transfer) {
  const std::string target = transfer->target();
  known_.emplace(transfer->ticket(), transfer.get());
  lane_of(transfer->guarded()).queues.push(target, std::move(transfer));
}

void curl_poster::worker::begin_drop(const farewell& dropped_call) {
  const auto at = known_.find(dropped_call.ticket);
  if (at == known_.end()) {
    return;
  }
  curl_transfer& transfer = *at->second;
  if (running_.contains(&transfer)) {
    if (!transfer.say_goodbye(dropped_call.linger)) {
      settle(stop_running(transfer), {errc::cancelled, {}});
    } else if (std::find(lingering_.begin(), lingering_.end(), &transfer) == lingering_.end()) {
      lingering_.push_back(&transfer);
    }
    return;
  }
  auto waiting = lane_of(transfer.guarded())
                     .queues.take(transfer.target(), [&transfer](const transfer_ptr& one) {
                       return one.get() == &transfer;
                     });
  if (waiting) {
    settle(std::move(*waiting), {errc::cancelled, {}});
  }
}

void curl_poster::worker::start_waiting(lane& from) {
  while (from.running < from.bounds.in_flight_max) {
    auto next = from.queues.next();
    if (!next) {
      return;
    }
    curl_transfer& transfer = **next;
    auto opened = transfer.open(options_, pinned_.get(), sockets_);
    transfer.begin(now());
    if (opened && curl_multi_add_handle(multi_.get(), transfer.handle()) != CURLM_OK) {
      opened = fail(errc::unavailable, "libcurl took no more calls");
    }
    if (opened) {
      ++from.running;
      running_.emplace(&transfer, std::move(*next));
    } else {
      from.queues.ended(transfer.target());
      settle(std::move(*next), opened.error());
    }
  }
}

/// True when a call has ended.
bool curl_poster::worker::reap() {
  bool any = false;
  int left = 0;
  while (const CURLMsg* const done = curl_multi_info_read(multi_.get(), &left)) {
    if (done->msg != CURLMSG_DONE) {
      continue;
    }
    const CURLcode code = done->data.result; // `done` is freed with the handle
    void* owner = nullptr;
    curl_easy_getinfo(done->easy_handle, CURLINFO_PRIVATE, &owner);
    any = true;
    if (auto& one = *static_cast<curl_transfer*>(owner);
        one.may_begin_anew(code, now(), options_.connect_timeout)) {
      curl_multi_remove_handle(multi_.get(), one.handle());
      one.begin(now());
      if (curl_multi_add_handle(multi_.get(), one.handle()) == CURLM_OK) {
        continue;
      }
    }
    const transfer_ptr transfer = stop_running(*static_cast<curl_transfer*>(owner));
    let_go(*transfer);
    transfer->finish(code);
  }
  return any;
}

/// Called after pending input was read. True when a call was given up.
bool curl_poster::worker::end_goodbyes() {
  std::vector<curl_transfer*> over;
  std::copy_if(lingering_.begin(), lingering_.end(), std::back_inserter(over),
               [](const curl_transfer* t) { return t->goodbye_is_over(); });
  for (curl_transfer* const transfer : over) {
    settle(stop_running(*transfer), {errc::cancelled, {}});
  }
  return !over.empty();
}

/// Also called after pending input was read.
bool curl_poster::worker::end_overdue() {
  std::vector<curl_transfer*> over;
  for (const auto& [transfer, owner] : running_) {
    if (time_.until(transfer->due()).count() == 0 && !transfer->goes_on(now())) {
      over.push_back(transfer);
    }
  }
  for (curl_transfer* const transfer : over) {
    const bool dropped = transfer->dropped();
    settle(stop_running(*transfer),
           dropped ? error{errc::cancelled, {}}
                   : error{errc::request_timeout, "the transfer stalled or was too slow"});
  }
  return !over.empty();
}

/// Time until the next call's deadline. The pod's clock may stand still meanwhile; then it is
/// checked again.
int curl_poster::worker::longest_sleep() const {
  std::chrono::nanoseconds sleep = std::chrono::milliseconds{longest_sleep_ms};
  for (const auto& [transfer, owner] : running_) {
    sleep = std::min(sleep, time_.until(transfer->due()));
  }
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(sleep).count());
}

void curl_poster::worker::rest() {
  std::vector<curl_waitfd> timers;
  timers.reserve(lingering_.size());
  for (const curl_transfer* const transfer : lingering_) {
    timers.push_back({transfer->goodbye_timer(), CURL_WAIT_POLLIN, 0});
  }
  curl_multi_poll(multi_.get(), timers.data(), static_cast<unsigned>(timers.size()),
                  longest_sleep(), nullptr);
}

void curl_poster::worker::give_up_all() {
  while (!running_.empty()) {
    settle(stop_running(*running_.begin()->first), {errc::stopping, {}});
  }
  for (lane* const each : {&guarded_, &unguarded_}) {
    for (auto& transfer : each->queues.take_all()) {
      settle(std::move(transfer), {errc::stopping, {}});
    }
  }
  // A callback may have sent another call.
  for (;;) {
    {
      const std::lock_guard lock{mutex_};
      if (arrived_.empty() && refused_.empty()) {
        return;
      }
    }
    take_submissions();
  }
}

/// Ends its run and makes room for another call of its target.
curl_poster::worker::transfer_ptr curl_poster::worker::stop_running(curl_transfer& transfer) {
  curl_multi_remove_handle(multi_.get(), transfer.handle());
  const auto at = running_.find(&transfer);
  transfer_ptr out = std::move(at->second);
  running_.erase(at);
  std::erase(lingering_, &transfer);
  lane& in = lane_of(transfer.guarded());
  in.queues.ended(transfer.target());
  --in.running;
  return out;
}

void curl_poster::worker::settle(transfer_ptr transfer, error why) {
  let_go(*transfer);
  transfer->end(std::move(why));
}

/// Releases the call's place before its `done` runs, so that `done` may send again.
void curl_poster::worker::let_go(const curl_transfer& transfer) {
  known_.erase(transfer.ticket());
  lane& in = lane_of(transfer.guarded());
  const std::lock_guard lock{mutex_};
  --in.open;
  in.open_bytes -= transfer.bytes();
}

curl_poster::curl_poster(poster_options options)
    : worker_(std::make_unique<worker>(std::move(options))) {}

curl_poster::~curl_poster() = default;

call_ticket curl_poster::send(outgoing_call call,
                              std::function<void(result<outgoing_answer>)> done) {
  return worker_->send(std::move(call), std::move(done));
}

void curl_poster::drop(call_ticket ticket, std::chrono::milliseconds linger) {
  worker_->drop(ticket, linger);
}

} // namespace tayfa
