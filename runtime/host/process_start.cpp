#include "runtime/host/process_start.hpp"

#include "runtime/machine/container.hpp"

#include <condition_variable>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <malloc.h>
#include <mutex>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tayfa {

namespace {

/// "unlimited" without a limit, and when it cannot be read.
std::string limit_text(int which, const std::function<std::string(rlim_t)>& shown) {
  rlimit limit{};
  const bool known = ::getrlimit(static_cast<__rlimit_resource_t>(which), &limit) == 0;
  return known && limit.rlim_cur != RLIM_INFINITY ? shown(limit.rlim_cur) : "unlimited";
}

/// "…, pids.max is 20", with the limits in force. Memory is in MiB throughout; the shell's ulimit
/// takes KiB.
std::string limits_text() {
  const auto processes = limit_text(RLIMIT_NPROC, [](rlim_t n) { return std::to_string(n); });
  const auto space = limit_text(RLIMIT_AS, [](rlim_t bytes) {
    return std::to_string(bytes >> 20) + " MiB (ulimit -v " + std::to_string(bytes >> 10) + ")";
  });
  std::string out = "the limit of processes and threads (ulimit -u) is " + processes +
                    ", of address space " + space;
  if (const auto most = process_limit()) {
    out += ", pids.max is " + std::to_string(*most);
  }
  return out;
}

/// Threads that block until all are created; ended and joined with their owner.
class waiting_threads {
 public:
  waiting_threads() = default;
  waiting_threads(const waiting_threads&) = delete;
  waiting_threads& operator=(const waiting_threads&) = delete;
  ~waiting_threads() {
    {
      const std::lock_guard guard{mutex_};
      released_ = true;
    }
    release_.notify_all();
    for (auto& thread : threads_) {
      thread.join();
    }
  }
  void add(std::size_t count) {
    threads_.reserve(count);
    while (threads_.size() < count) {
      threads_.emplace_back([this] {
        std::unique_lock lock{mutex_};
        release_.wait(lock, [this] { return released_; });
      });
    }
  }
  std::size_t size() const { return threads_.size(); }

 private:
  std::mutex mutex_;
  std::condition_variable release_;
  bool released_ = false;
  std::vector<std::thread> threads_;
};

} // namespace

void open_standard_descriptors() {
  // open() returns the lowest free number, so those below are open once it is above 2.
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0 || fd > 2) {
      if (fd > 2) {
        ::close(fd);
      }
      return;
    }
  }
}

namespace {

bool has_room(std::size_t bytes) {
  if (bytes == 0) {
    return true;
  }
  void* const room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return false;
  }
  ::munmap(room, bytes);
  return true;
}

} // namespace

result<void> try_threads(std::size_t count, std::size_t bytes) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before); // these threads must not handle signals
  std::size_t made = 0;
  bool room = false;
  {
    waiting_threads threads;
    try {
      threads.add(count);
    } catch (const std::system_error&) { // `made` shows the failure
    } catch (const std::bad_alloc&) {
    }
    made = threads.size();
    room = has_room(bytes);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (made < count) {
    return fail(errc::unavailable, "too few threads: " + std::to_string(made) + " of " +
                                       std::to_string(count) + " could be made; " + limits_text());
  }
  if (!room) {
    return fail(errc::unavailable, "too little memory: " + std::to_string(bytes >> 20) +
                                       " MiB could not be had beside " + std::to_string(count) +
                                       " threads; " + limits_text());
  }
  return {};
}

void bound_arenas() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    ::mallopt(M_ARENA_MAX, 1);
  }
}

} // namespace tayfa
