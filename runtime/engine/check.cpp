#include "runtime/engine/check.hpp"

#include "runtime/engine/factories.hpp"
#include "runtime/machine/container.hpp"
#include "runtime/machine/fitness.hpp"

#include <algorithm>
#include <limits>
#include <string>
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

check_row memory_row() {
  check_row row;
  row.name = "memory";
  const auto room = read_memory_room();
  const auto& machine = room.available;
  if (!machine && !room.container_left) {
    row.verdict = fitness::reduced;
    row.value = "unknown";
    row.advice = "/proc/meminfo could not be read";
    return row;
  }
  const auto container = room.container_left.value_or(std::numeric_limits<std::uint64_t>::max());
  const auto available = std::min(machine.value_or(container), container);
  row.value = std::to_string(available / mib) + " MiB available" +
              (room.container_limit ? " within the container's limit of " +
                                          std::to_string(*room.container_limit / mib) + " MiB"
                                    : std::string{});
  if (available < memory_wanted) {
    row.verdict = available < memory_least ? fitness::unfit : fitness::reduced;
    row.advice = "give the engine at least 256 MiB of memory";
  }
  return row;
}

check_row cores_row() {
  constexpr std::uint64_t half = 500;
  const auto room = read_cpu_room();
  check_row row;
  row.name = "cores";
  row.value = std::to_string(room.usable) + " usable";
  if (room.quota_milli) {
    row.value += ", limited to " + std::to_string(*room.quota_milli / 10) + " % of one";
    if (*room.quota_milli < half) {
      row.verdict = fitness::reduced;
      row.advice = "give the container at least half a core";
    }
  }
  row.value += "; one slot alone computes with " + std::to_string(compute_threads(room, 1));
  return row;
}

} // namespace

fitness_report check_machine(const engine_kind& kind, const std::string& plugin_folder) {
  fitness_report report;
  add_row(report, process_row());
  add_row(report, memory_row());
  add_row(report, cores_row());
  for (auto& row : check_kind(kind, plugin_folder).rows) {
    add_row(report, std::move(row));
  }
  return report;
}

} // namespace tayfa::engine
