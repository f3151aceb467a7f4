#include "runtime/base/watched_time.hpp"

#include <csignal>
#include <pthread.h>

namespace tayfa {

namespace {

/// Far below active_time's step, so that a busy machine does not look like a pause.
constexpr std::chrono::milliseconds tick_every{25};

} // namespace

watched_time::watched_time(std::function<void(std::chrono::milliseconds)> paused)
    : paused_(std::move(paused)), active_(std::chrono::steady_clock::now()) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all); // signals are for the main thread
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "tayfa-clock");
    watch();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

watched_time::~watched_time() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

moment watched_time::now() const {
  const std::lock_guard lock{mutex_};
  return active_.at(std::chrono::steady_clock::now());
}

std::chrono::system_clock::time_point watched_time::wall() const {
  return std::chrono::system_clock::now();
}

std::chrono::nanoseconds watched_time::until(moment due) const {
  const std::lock_guard lock{mutex_};
  return active_.until(due, std::chrono::steady_clock::now());
}

void watched_time::watch() {
  std::unique_lock lock{mutex_};
  while (!stop_.wait_for(lock, tick_every, [this] { return stopping_; })) {
    const auto pause = active_.tick(std::chrono::steady_clock::now());
    if (pause.count() > 0 && paused_) {
      lock.unlock();
      paused_(std::chrono::ceil<std::chrono::milliseconds>(pause));
      lock.lock();
    }
  }
}

} // namespace tayfa
