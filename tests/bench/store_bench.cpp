// Cost of durability: accept + claim + complete of zero-work jobs, each commit awaited, by as many
// clients as share a flush; on the machine's disk and without durability, in one run.
//
//   bench_store [--seconds S] [--folder DIR] [--rows N] [--smoke]   a table
//   bench_store --clients N [--seconds S] [--folder DIR] [--payload BYTES]
//                    one line of JSON: N clients, SQLite configured as in `tayfa serve`
//   bench_store --recovery [--rows N] [--folder DIR]
//                    one line of JSON: opening a store of N rows
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"
#include "tests/bench/store_writers.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace tayfa::store {
namespace {

/// Answers from another thread, as a real store does; otherwise a cycle would recurse.
class posting_thread {
 public:
  posting_thread() : thread_{[this] { run(); }} {}
  ~posting_thread() {
    post({});
    thread_.join();
  }
  void post(std::function<void()> call) {
    {
      const std::lock_guard guard{mutex_};
      calls_.push_back(std::move(call));
    }
    wake_.notify_one();
  }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [&] { return !calls_.empty(); });
      auto calls = std::move(calls_);
      calls_.clear();
      lock.unlock();
      for (auto& call : calls) {
        if (!call) {
          return;
        }
        call();
      }
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> calls_;
  std::thread thread_;
};

/// Seconds to open a store of `rows` waiting jobs.
double recovery(const time_source& time, const std::string& folder, std::uint64_t rows) {
  {
    const auto input = input_of(payload_usual);
    sqlite_store store{time, {.folder = folder, .changes_per_commit = 10'000}};
    open(store);
    for (std::uint64_t order = 1; order <= rows; ++order) {
      store.commit({put{fresh_row(order, clock::now(), input), part_request | part_state}},
                   [](auto) {});
    }
    close(store);
  }
  sqlite_store store{time, {.folder = folder}};
  const auto begin = clock::now();
  const auto found = open(store);
  const std::chrono::duration<double> took = clock::now() - begin;
  if (found.rows.size() != rows) {
    std::fprintf(stderr, "bench_store: %zu rows were found\n", found.rows.size());
    std::exit(1);
  }
  close(store);
  return took.count();
}

/// The disk's bare speed: 4 KiB writes in place with a flush, per second.
double bare_flushes(const std::string& base, double seconds) {
  const std::string path = base + "/bare";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(4096, 'p');
  std::uint64_t count = 0;
  const auto begin = clock::now();
  std::chrono::duration<double> took{};
  for (; took.count() < seconds; took = clock::now() - begin) {
    const auto at = static_cast<off_t>(count % 1024) * 4096;
    if (::pwrite(file, page.data(), page.size(), at) != 4096 || ::fdatasync(file) != 0) {
      std::perror("bench_store");
      std::exit(1);
    }
    ++count;
  }
  ::close(file);
  return static_cast<double>(count) / took.count();
}

void run(double seconds, const std::string& base, std::uint64_t rows) {
  const system_time time;
  std::printf("cycles (accept + claim + complete) per second, each step flushed; `of bare` is the "
              "store's flushes to bare 4 KiB writes + fdatasync of the same second\n");
  std::printf("%-8s %10s %10s %14s %10s %10s %10s\n", "clients", "sqlite/s", "memory/s",
              "sqlite/memory", "flushes/s", "of bare", "CPU us");
  for (const std::size_t clients : {1U, 8U, 64U, 512U}) {
    const auto folder = base + "/clients-" + std::to_string(clients);
    sqlite_store durable{time, {.folder = folder, .changes_per_commit = 512}};
    open(durable);
    const double bare = bare_flushes(base, seconds / 4);
    const auto measured = writers{durable}.run(clients, seconds);
    const auto cycles = static_cast<double>(measured.cycles.size());
    const double sqlite = cycles / measured.seconds;
    const double flushes = static_cast<double>(durable.transactions()) / seconds;
    close(durable);
    posting_thread thread;
    memory_store none{[&](std::function<void()> call) { thread.post(std::move(call)); }};
    open(none);
    const auto without = writers{none}.run(clients, seconds / 4);
    const double memory = static_cast<double>(without.cycles.size()) / without.seconds;
    std::printf("%-8zu %10.0f %10.0f %14.4f %10.0f %10.2f %10.1f\n", clients, sqlite, memory,
                sqlite / memory, flushes, flushes / bare, measured.cpu_seconds / cycles * 1e6);
  }
  std::printf("recovery of %llu rows of 1 KiB: %.3f s\n", static_cast<unsigned long long>(rows),
              recovery(time, base + "/recovery", rows));
}

void run_one(double seconds, const std::string& base, unsigned clients, std::size_t payload) {
  const system_time time;
  sqlite_store store{time, {.folder = base + "/store"}};
  open(store);
  writers jobs{store, payload};
  jobs.run(clients, bench::warm_up_seconds);
  const auto before = store.transactions();
  auto out = jobs.run(clients, seconds);
  out.flushes = static_cast<double>(store.transactions() - before);
  close(store);
  bench::print(clients, std::move(out));
}

} // namespace
} // namespace tayfa::store

int main(int argc, char** argv) {
  double seconds = 3;
  std::uint64_t rows = 100'000;
  unsigned clients = 0;
  std::size_t payload = tayfa::store::payload_usual;
  bool only_recovery = false;
  std::string base = std::filesystem::temp_directory_path();
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--smoke") {
      seconds = 0.1;
      rows = 1'000;
    } else if (flag == "--recovery") {
      only_recovery = true;
    } else if (i + 1 < argc && flag == "--seconds") {
      seconds = std::strtod(argv[++i], nullptr);
    } else if (i + 1 < argc && flag == "--rows") {
      rows = std::strtoull(argv[++i], nullptr, 10);
    } else if (i + 1 < argc && flag == "--clients") {
      clients = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
    } else if (i + 1 < argc && flag == "--payload") {
      payload = std::strtoull(argv[++i], nullptr, 10);
    } else if (i + 1 < argc && flag == "--folder") {
      base = argv[++i];
    } else {
      std::fprintf(stderr,
                   "bench_store [--seconds S] [--folder DIR] [--rows N] [--smoke]\n"
                   "bench_store --clients N [--seconds S] [--folder DIR] [--payload BYTES]\n"
                   "bench_store --recovery [--rows N] [--folder DIR]\n");
      return 64;
    }
  }
  base += "/tayfa-bench-store-XXXXXX";
  if (::mkdtemp(base.data()) == nullptr) {
    std::perror("bench_store");
    return 1;
  }
  if (clients > 0) {
    tayfa::store::run_one(seconds, base, clients, payload);
  } else if (only_recovery) {
    const tayfa::system_time time;
    std::printf("{\"rows\": %llu, \"seconds\": %.3f}\n", static_cast<unsigned long long>(rows),
                tayfa::store::recovery(time, base + "/recovery", rows));
  } else {
    tayfa::store::run(seconds, base, rows);
  }
  std::filesystem::remove_all(base);
  return 0;
}
