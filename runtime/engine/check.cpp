#include "runtime/engine/check.hpp"

#include "runtime/engine/plugin.hpp"
#include "runtime/host/fitness.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sched.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/utsname.h>

namespace tayfa::engine {

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t memory_least = 64 * mib;
constexpr std::uint64_t memory_wanted = 256 * mib;
constexpr rlim_t files_least = 64;

check_row process_row() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  utsname kernel{};
  ::uname(&kernel);
  check_row row;
  row.name = "process";
  row.value = std::string{kernel.sysname} + " " + kernel.release + ", " +
              std::to_string(files.rlim_cur) + " open files";
  if (files.rlim_cur < files_least) {
    row.verdict = fitness::unfit;
    row.advice = "raise the limit of open files (ulimit -n)";
  }
  return row;
}

std::optional<std::uint64_t> number_in(const char* path) {
  std::ifstream file{path};
  std::uint64_t value = 0;
  return file >> value ? std::optional{value} : std::nullopt; // "max" is no number: no limit
}

std::optional<std::uint64_t> available_memory() {
  std::ifstream file{"/proc/meminfo"};
  std::string line;
  std::optional<std::uint64_t> available;
  while (std::getline(file, line)) {
    std::istringstream words{line};
    std::string key;
    std::uint64_t kib = 0;
    if (words >> key >> kib && key == "MemAvailable:") {
      available = kib * 1024;
    }
  }
  // A container's limit is below the machine's memory.
  const auto limit = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) {
    const auto left = *limit > *used ? *limit - *used : 0;
    available = std::min(available.value_or(left), left);
  }
  return available;
}

check_row memory_row() {
  check_row row;
  row.name = "memory";
  const auto available = available_memory();
  if (!available) {
    row.verdict = fitness::reduced;
    row.value = "unknown";
    row.advice = "/proc/meminfo could not be read";
    return row;
  }
  row.value = std::to_string(*available / mib) + " MiB available";
  if (*available < memory_wanted) {
    row.verdict = *available < memory_least ? fitness::unfit : fitness::reduced;
    row.advice = "give the engine at least 256 MiB of memory";
  }
  return row;
}

check_row cores_row() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  check_row row;
  row.name = "cores";
  row.value = known ? std::to_string(CPU_COUNT(&allowed)) + " usable" : "more than 1024 usable";
  std::ifstream quota_file{"/sys/fs/cgroup/cpu.max"};
  std::uint64_t quota = 0;
  std::uint64_t period = 0;
  if (quota_file >> quota >> period && period > 0) {
    row.value += ", limited to " + std::to_string(quota * 100 / period) + " % of one";
    if (quota * 2 < period) {
      row.verdict = fitness::reduced;
      row.advice = "give the container at least half a core";
    }
  }
  return row;
}

} // namespace

fitness_report check_machine(const std::string& engine) {
  fitness_report report;
  add_row(report, process_row());
  add_row(report, memory_row());
  add_row(report, cores_row());
  if (engine == "torch") {
    for (auto& row : check_torch().rows) {
      add_row(report, std::move(row));
    }
  }
  return report;
}

} // namespace tayfa::engine
