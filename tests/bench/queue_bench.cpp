// Cost of the queue without HTTP and without engines: one line of JSON per row.
//
//   bench_queue table  [--waiting N,…] [--workers W,…] [--seconds S]      the job table alone
//   bench_queue workers [--workers W,…] [--waiting N] [--seconds S]       few workers and many
//   bench_queue actors [--store sqlite|memory] [--folder F] [--clients N] [--workers W]
//                      [--seconds S] [--payload BYTES]                     ingress, queue and store
//   bench_queue --smoke                                       a little of both, as a test
#include "tests/bench/queue_actors.hpp"
#include "tests/bench/queue_table.hpp"
#include "tests/bench/queue_workers.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>

#include <unistd.h>

namespace tayfa::bench {
namespace {

constexpr const char* usage =
    "usage: bench_queue table [--waiting N,...] [--workers W,...] [--seconds S]\n"
    "       bench_queue workers [--workers W,...] [--waiting N] [--seconds S]\n"
    "       bench_queue actors [--store sqlite|memory] [--folder F] [--clients N] [--workers W]"
    " [--seconds S] [--payload BYTES]\n"
    "       bench_queue --smoke";

/// A folder for one run inside the given one, removed by the destructor.
class scratch_folder {
 public:
  explicit scratch_folder(const std::string& base) : path_(base + "/tayfa-bench-queue-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) {
      throw std::runtime_error{"no folder can be made in " + base};
    }
  }
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class arguments {
 public:
  arguments(int argc, char** argv, int from) {
    if ((argc - from) % 2 != 0) {
      throw std::invalid_argument{usage};
    }
    for (int i = from; i < argc; i += 2) {
      given_[argv[i]] = argv[i + 1];
    }
  }
  std::string text(const std::string& name, const std::string& otherwise) {
    const auto node = given_.extract(name);
    return node.empty() ? otherwise : node.mapped();
  }
  double number(const std::string& name, double otherwise, double least, double most) {
    const auto value = text(name, "");
    return value.empty() ? otherwise : checked(name, value, least, most);
  }
  template <class T>
  std::vector<T> numbers(const std::string& name, const std::string& otherwise, double most) {
    std::vector<T> out;
    std::istringstream list{text(name, otherwise)};
    for (std::string each; std::getline(list, each, ',');) {
      out.push_back(static_cast<T>(checked(name, each, 1, most)));
    }
    return out;
  }
  void all_known() const {
    if (!given_.empty()) {
      throw std::invalid_argument{given_.begin()->first + " is not known\n" + usage};
    }
  }

 private:
  static double checked(const std::string& name, const std::string& text, double least,
                        double most) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(value >= least && value <= most)) {
      throw std::invalid_argument{name + " is out of range: " + text};
    }
    return value;
  }
  std::map<std::string, std::string> given_;
};

void print(const table_row& r) {
  std::printf("{\"waiting\": %zu, \"workers\": %u, \"bytes\": %.0f, \"submit_ns\": %.0f, "
              "\"decision_ns\": %.0f, \"cancel_ns\": %.0f, \"row_ns\": %.0f}\n",
              r.waiting, r.workers, r.bytes, r.submit, r.decision, r.cancel, r.row);
  std::fflush(stdout);
}

void table(arguments given) {
  table_plan plan;
  plan.waiting = given.numbers<std::size_t>("--waiting", "1000,10000,100000,1000000", 10'000'000);
  plan.workers = given.numbers<unsigned>("--workers", "1,8,64", 1024);
  plan.seconds = given.number("--seconds", plan.seconds, 0.001, 600);
  given.all_known();
  measure_table(plan, [](const table_row& row) { print(row); });
}

void print(const workers_row& r) {
  std::printf("{\"pool\": \"%s\", \"workers\": %u, \"decision_ns\": %.0f, \"ratio\": %.2f}\n",
              r.pool.c_str(), r.workers, r.decision, r.ratio);
  std::fflush(stdout);
}

void workers(arguments given) {
  workers_plan plan;
  plan.workers = given.numbers<unsigned>("--workers", "8,100,1000", 10'000);
  plan.waiting = static_cast<std::size_t>(
      given.number("--waiting", static_cast<double>(plan.waiting), 1, 1'000'000));
  plan.seconds = given.number("--seconds", plan.seconds, 0.001, 600);
  given.all_known();
  measure_workers(plan, [](const workers_row& row) { print(row); });
}

void actors(arguments given) {
  actors_plan plan;
  const auto kind = given.text("--store", "sqlite");
  if (kind != "sqlite" && kind != "memory") {
    throw std::invalid_argument{usage};
  }
  plan.durable = kind == "sqlite";
  plan.clients = static_cast<unsigned>(given.number("--clients", plan.clients, 1, 10'000));
  plan.workers = static_cast<unsigned>(given.number("--workers", plan.workers, 1, 1024));
  plan.seconds = given.number("--seconds", plan.seconds, 0.001, 600);
  plan.payload = static_cast<std::size_t>(
      given.number("--payload", static_cast<double>(plan.payload), 13, 1 << 20));
  const auto base = given.text("--folder", std::filesystem::temp_directory_path());
  given.all_known();
  const scratch_folder folder{base};
  plan.folder = folder.path();
  print(plan.clients, measure_actors(plan));
}

void smoke() {
  measure_table({.waiting = {1'000}, .workers = {1, 8}, .seconds = 0.05},
                [](const table_row& row) { print(row); });
  measure_workers({.workers = {8, 16}, .waiting = 1'000, .seconds = 0.01},
                  [](const workers_row& row) { print(row); });
  for (const bool durable : {true, false}) {
    const scratch_folder folder{std::filesystem::temp_directory_path()};
    actors_plan plan;
    plan.durable = durable;
    plan.folder = folder.path();
    plan.clients = 16;
    plan.workers = 8;
    plan.seconds = 0.2;
    auto got = measure_actors(plan);
    if (got.cycles.empty()) {
      throw std::runtime_error{"no job has ended"};
    }
    print(plan.clients, std::move(got));
  }
}

} // namespace
} // namespace tayfa::bench

int main(int argc, char** argv) {
  using namespace tayfa::bench;
  try {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "table") {
      table({argc, argv, 2});
    } else if (what == "workers") {
      workers({argc, argv, 2});
    } else if (what == "actors") {
      actors({argc, argv, 2});
    } else if (what == "--smoke" && argc == 2) {
      smoke();
    } else {
      throw std::invalid_argument{usage};
    }
    return 0;
  } catch (const std::invalid_argument& wrong) {
    std::fprintf(stderr, "bench_queue: %s\n", wrong.what());
    return 64;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench_queue: error: %s\n", problem.what());
    return 1;
  }
}
