#include "runtime/http/curl_poster.hpp"

#include "runtime/http/call_lines.hpp"
#include "runtime/http/curl_transfer.hpp"

#include <algorithm>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <thread>
#include <unordered_map>

namespace tayfa {

namespace {

/// Nothing waits for it: a call, its end or a time-out of libcurl's wakes the thread.
constexpr int longest_sleep_ms = 60'000;

/// libcurl wants its global state made before the first handle, and before a second thread.
bool curl_is_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

std::size_t bytes_of(const outgoing_call& call) {
  std::size_t out = sizeof call + call.url.size() + call.body.size();
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

  void send(outgoing_call, done_function);

 private:
  struct multi_deleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct refusal {
    done_function done;
    errc why;
  };

  void run();
  bool take_news();
  void start_waiting();
  bool reap();
  void give_up_all();
  void settle(transfer_ptr, error);
  void let_go(const curl_transfer&);

  const poster_options options_;
  curl_list pinned_;
  std::unique_ptr<CURLM, multi_deleter> multi_;

  std::mutex mutex_; // guards what follows, up to the blank line
  std::vector<transfer_ptr> arrived_;
  std::vector<refusal> refused_;
  std::size_t open_ = 0;
  std::size_t open_bytes_ = 0;
  bool stopping_ = false;

  call_lines<transfer_ptr> lines_;                           // the thread's
  std::unordered_map<curl_transfer*, transfer_ptr> running_; // the thread's
  std::thread thread_;
};

curl_poster::worker::worker(poster_options options)
    : options_(std::move(options)), multi_(curl_is_ready() ? curl_multi_init() : nullptr),
      lines_(std::max<std::size_t>(options_.per_target_max, 1)) {
  bool ready = multi_ != nullptr;
  for (const auto& pin : options_.pinned) {
    ready = append(pinned_, pin) && ready;
  }
  if (!ready) {
    throw std::runtime_error{"libcurl cannot be used"};
  }
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options_.in_flight_max));
  // Signals are for the main thread: the new thread, and those in which libcurl resolves names,
  // inherit a mask that blocks them all.
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

void curl_poster::worker::send(outgoing_call call, done_function done) {
  const std::size_t bytes = bytes_of(call);
  {
    const std::lock_guard lock{mutex_};
    if (stopping_ || open_ >= options_.open_max || bytes > options_.open_bytes_max - open_bytes_) {
      refused_.push_back({std::move(done), stopping_ ? errc::stopping : errc::unavailable});
    } else {
      arrived_.push_back(std::make_unique<curl_transfer>(std::move(call), std::move(done), bytes));
      ++open_;
      open_bytes_ += bytes;
    }
  }
  curl_multi_wakeup(multi_.get());
}

void curl_poster::worker::run() {
  while (take_news()) {
    start_waiting();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    if (!reap()) {
      curl_multi_poll(multi_.get(), nullptr, 0, longest_sleep_ms, nullptr);
    }
  }
  give_up_all();
}

/// False when it is time to stop.
bool curl_poster::worker::take_news() {
  std::vector<transfer_ptr> arrived;
  std::vector<refusal> refused;
  bool stopping = false;
  {
    const std::lock_guard lock{mutex_};
    arrived.swap(arrived_);
    refused.swap(refused_);
    stopping = stopping_;
  }
  for (auto& r : refused) {
    r.done(fail(r.why, r.why == errc::unavailable ? "too many calls wait to be made" : ""));
  }
  for (auto& transfer : arrived) {
    if (stopping) {
      settle(std::move(transfer), {errc::stopping, {}});
    } else if (const auto checked = transfer->check(options_); !checked) {
      settle(std::move(transfer), checked.error());
    } else {
      const std::string target = transfer->target();
      lines_.push(target, std::move(transfer));
    }
  }
  return !stopping;
}

void curl_poster::worker::start_waiting() {
  while (running_.size() < options_.in_flight_max) {
    auto next = lines_.next();
    if (!next) {
      return;
    }
    curl_transfer& transfer = **next;
    auto opened = transfer.open(options_, pinned_.get());
    if (opened && curl_multi_add_handle(multi_.get(), transfer.handle()) != CURLM_OK) {
      opened = fail(errc::unavailable, "libcurl took no more calls");
    }
    if (opened) {
      running_.emplace(&transfer, std::move(*next));
    } else {
      lines_.ended(transfer.target());
      settle(std::move(*next), opened.error());
    }
  }
}

/// True when some call ended.
bool curl_poster::worker::reap() {
  bool any = false;
  int left = 0;
  while (const CURLMsg* const news = curl_multi_info_read(multi_.get(), &left)) {
    if (news->msg != CURLMSG_DONE) {
      continue;
    }
    const CURLcode code = news->data.result; // `news` ends with the handle
    void* owner = nullptr;
    curl_easy_getinfo(news->easy_handle, CURLINFO_PRIVATE, &owner);
    curl_multi_remove_handle(multi_.get(), news->easy_handle);
    const auto at = running_.find(static_cast<curl_transfer*>(owner));
    const transfer_ptr transfer = std::move(at->second);
    running_.erase(at);
    lines_.ended(transfer->target());
    let_go(*transfer);
    transfer->finish(code);
    any = true;
  }
  return any;
}

void curl_poster::worker::give_up_all() {
  for (auto& [key, transfer] : running_) {
    curl_multi_remove_handle(multi_.get(), transfer->handle());
    settle(std::move(transfer), {errc::stopping, {}});
  }
  running_.clear();
  for (auto& transfer : lines_.take_all()) {
    settle(std::move(transfer), {errc::stopping, {}});
  }
  // What was just told may have sent again.
  for (;;) {
    {
      const std::lock_guard lock{mutex_};
      if (arrived_.empty() && refused_.empty()) {
        return;
      }
    }
    take_news();
  }
}

void curl_poster::worker::settle(transfer_ptr transfer, error why) {
  let_go(*transfer);
  transfer->end(std::move(why));
}

/// Its place is free before it is told, so that whom it tells may send again.
void curl_poster::worker::let_go(const curl_transfer& transfer) {
  const std::lock_guard lock{mutex_};
  --open_;
  open_bytes_ -= transfer.bytes();
}

curl_poster::curl_poster(poster_options options)
    : worker_(std::make_unique<worker>(std::move(options))) {}

curl_poster::~curl_poster() = default;

void curl_poster::send(outgoing_call call, std::function<void(result<outgoing_answer>)> done) {
  worker_->send(std::move(call), std::move(done));
}

} // namespace tayfa
