// Cost of a shared database: accept + claim + complete of zero-work jobs with 1 KiB in, each commit
// awaited, in SQLite and in a PostgreSQL of this benchmark's own, in turn on the same disk and in
// one run; and the same clients on two heads of that PostgreSQL.
//
//   bench_store_pg [--seconds S] [--rounds N] [--smoke]    77: there is no server to measure
#include "runtime/store/pg/postgres_store.hpp"
#include "runtime/store/sqlite_store.hpp"
#include "tests/bench/store_writers.hpp"
#include "tests/support/postgres_server.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

#include <unistd.h>

namespace tayfa::store {
namespace {

struct rate {
  double cycles = 0, flushes = 0;
};

/// A head of the database.
class head {
 public:
  head(const time_source& time, random_source& random, const std::string& url,
       const std::string& name)
      : store_(time, random, options(url, name)), first_(open(store_).last_order),
        jobs_(store_, payload_usual, first_) {}
  ~head() { close(store_); }
  rate run(std::size_t clients, double seconds) {
    const auto before = store_.counts().transactions;
    const auto out = jobs_.run(clients, seconds);
    const auto after = store_.counts().transactions;
    return {static_cast<double>(out.cycles.size()) / out.seconds,
            static_cast<double>(after - before) / out.seconds};
  }

 private:
  static postgres_store_options options(const std::string& url, const std::string& name) {
    postgres_store_options out;
    out.url = url;
    out.head.name = name;
    out.head.holder = name;
    out.head.instance = name;
    return out;
  }
  postgres_store store_;
  std::uint64_t first_;
  writers jobs_;
};

double middle(std::vector<double> of) {
  std::nth_element(of.begin(), of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2), of.end());
  return of[of.size() / 2];
}

void run(double seconds, int rounds, const std::string& folder) {
  const system_time time;
  seeded_random random{7};
  const tayfa::testing::postgres_server server;
  std::printf("cycles (accept + claim + complete) per second, each step flushed; the middle of %d "
              "rounds, in turn\n%-8s %10s %12s %12s %16s %18s\n",
              rounds, "clients", "sqlite/s", "postgres/s", "two heads/s", "postgres/sqlite",
              "pg transactions/s");
  for (const std::size_t clients : {1U, 8U, 64U, 512U}) {
    const auto name = std::to_string(clients);
    sqlite_store file{time, {.folder = folder + "/" + name, .changes_per_commit = 512}};
    open(file);
    writers in_file{file};
    head one{time, random, server.url(), "one-" + name};
    head two{time, random, server.url(), "two-" + name};
    std::vector<double> sqlite;
    std::vector<double> single;
    std::vector<double> both;
    std::vector<double> flushes;
    for (int round = 0; round < rounds; ++round) {
      const auto measured = in_file.run(clients, seconds);
      sqlite.push_back(static_cast<double>(measured.cycles.size()) / measured.seconds);
      const auto alone = one.run(clients, seconds);
      single.push_back(alone.cycles);
      flushes.push_back(alone.flushes);
      rate other;
      const auto half = std::max<std::size_t>(clients / 2, 1);
      std::thread beside{[&] { other = two.run(half, seconds); }};
      const auto first = one.run(half, seconds);
      beside.join();
      both.push_back(first.cycles + other.cycles);
    }
    std::printf("%-8zu %10.0f %12.0f %12.0f %16.3f %18.0f\n", clients, middle(sqlite),
                middle(single), middle(both), middle(single) / middle(sqlite), middle(flushes));
    close(file);
  }
}

} // namespace
} // namespace tayfa::store

int main(int argc, char** argv) {
  double seconds = 2;
  int rounds = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--smoke") {
      seconds = 0.05;
      rounds = 1;
    } else if (i + 1 < argc && flag == "--seconds") {
      seconds = std::strtod(argv[++i], nullptr);
    } else if (i + 1 < argc && flag == "--rounds") {
      rounds = std::max(std::atoi(argv[++i]), 1);
    } else {
      std::fprintf(stderr, "bench_store_pg [--seconds S] [--rounds N] [--smoke]\n");
      return 64;
    }
  }
  if (const auto why = tayfa::testing::postgres_server::missing(); !why.empty()) {
    std::fprintf(stderr, "bench_store_pg: %s\n", why.c_str());
    return 77;
  }
  std::string folder = std::filesystem::temp_directory_path() / "tayfa-bench-pg-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    std::perror("bench_store_pg");
    return 1;
  }
  tayfa::store::run(seconds, rounds, folder);
  std::filesystem::remove_all(folder);
  return 0;
}
