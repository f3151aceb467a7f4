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
#include "tests/bench/measured.hpp"

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

using clock = std::chrono::steady_clock;

constexpr std::size_t payload_usual = 1024;
constexpr std::size_t ended_kept = 1'000; ///< from then on each ended job erases another

shared_text input_of(std::size_t bytes) {
  const std::string head = R"({"prompt":")";
  return shared_text{head + std::string(std::max(bytes, head.size() + 2) - head.size() - 2, 'p') +
                     "\"}"};
}

job_row fresh_row(std::uint64_t order, moment now, const shared_text& input) {
  job_row row;
  row.order = order;
  char id[40];
  // As random as a UUID for the index of ids.
  std::snprintf(id, sizeof id, "%016llx-%016llx",
                static_cast<unsigned long long>(order * 0x9e3779b97f4a7c15ULL),
                static_cast<unsigned long long>(order));
  row.id = job_id{id};
  row.request.endpoint = "tayfa";
  row.request.input = input;
  row.submitted = now;
  return row;
}

/// Clients that each take a job through its states, one commit after the other.
class writers {
 public:
  explicit writers(job_store& store, std::size_t payload = payload_usual)
      : store_(store), input_(input_of(payload)) {}

  bench::measured run(std::size_t clients, double seconds) {
    cycles_.clear();
    all_done_ = {};
    left_ = clients;
    end_ = clock::now() +
           std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    const auto begin = clock::now();
    const double cpu = bench::cpu_seconds();
    for (std::size_t i = 0; i < clients; ++i) {
      accept();
    }
    all_done_.get_future().wait();
    bench::measured out;
    out.seconds = std::chrono::duration<double>(clock::now() - begin).count();
    out.cpu_seconds = bench::cpu_seconds() - cpu;
    out.cycles = std::move(cycles_);
    return out;
  }

 private:
  void next(const result<void>& done, void (writers::*stage)(job_row), job_row row) {
    if (!done) {
      std::fprintf(stderr, "bench_store: %s\n", done.error().str().c_str());
      std::exit(1);
    }
    (this->*stage)(std::move(row));
  }
  void commit(put what, void (writers::*then)(job_row), batch changes = {}) {
    auto row = what.row;
    changes.emplace_back(std::move(what));
    store_.commit(std::move(changes), [this, then, row = std::move(row)](const auto& done) mutable {
      next(done, then, std::move(row));
    });
  }
  void accept() {
    if (clock::now() >= end_) {
      if (--left_ == 0) {
        all_done_.set_value();
      }
      return;
    }
    commit({fresh_row(++order_, clock::now(), input_), part_request | part_state}, &writers::claim);
  }
  void claim(job_row row) {
    row.state = job_state::IN_PROGRESS;
    row.attempts = 1;
    row.worker = "slot-0";
    commit({std::move(row), part_state}, &writers::complete);
  }
  void complete(job_row row) {
    row.state = job_state::COMPLETED;
    row.ended = clock::now();
    row.delay = milliseconds{1};
    row.execution = milliseconds{1};
    row.history.push_back({.number = 1,
                           .worker = "slot-0",
                           .given = milliseconds{1},
                           .began = milliseconds{1},
                           .ended = milliseconds{2},
                           .failure = {}});
    row.output = shared_text{R"({"image":"none"})"};
    batch forgotten;
    if (ended_.size() > ended_kept) {
      forgotten.emplace_back(erase{ended_.front()});
      ended_.pop_front();
    }
    commit({std::move(row), part_state | part_output | part_input_released}, &writers::finish,
           std::move(forgotten));
  }
  void finish(job_row row) {
    cycles_.push_back(std::chrono::duration<double>(clock::now() - row.submitted).count());
    ended_.push_back(row.order);
    accept();
  }

  job_store& store_;
  const shared_text input_;
  std::atomic<std::size_t> left_{0};
  std::atomic<std::uint64_t> order_{0};
  std::vector<double> cycles_; ///< this and the members below: only on the store's thread
  std::deque<std::uint64_t> ended_;
  clock::time_point end_;
  std::promise<void> all_done_;
};

job_store::recovered open(job_store& store) {
  std::promise<result<job_store::recovered>> answer;
  store.open([&](auto found) { answer.set_value(std::move(found)); });
  auto found = answer.get_future().get();
  if (!found) {
    std::fprintf(stderr, "bench_store: %s\n", found.error().str().c_str());
    std::exit(1);
  }
  return std::move(*found);
}
void close(job_store& store) {
  std::promise<void> answer;
  store.close([&] { answer.set_value(); });
  answer.get_future().wait();
}

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
