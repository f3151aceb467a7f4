#include "runtime/machine/system_fitness.hpp"

#include "runtime/machine/fitness.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

constexpr double gib = 1024.0 * 1024.0 * 1024.0;

std::string fixed(double number, int digits) {
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%.*f", digits, number);
  return out.data();
}

/// Formats as Python prints a float: "4.0", "0.5".
std::string as_python(double number) {
  std::array<char, 40> out{};
  std::string text{out.data(), std::to_chars(out.data(), out.data() + out.size(), number).ptr};
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

double in_gb(std::uint64_t bytes) {
  return static_cast<double>(bytes) / gib;
}

class row_writer {
 public:
  row_writer(fitness_report& report, const system_limits& limits, system_facts& facts)
      : report_(report), limits_(limits), facts_(facts), engine_(report.rows) {}

  void gpu_health() {
    milliseconds took{0};
    for (const check_row& row : engine_) {
      took += milliseconds{is_on_gpu(row) ? row.ms : 0};
      if (row.verdict == fitness::unfit && !is_about_cuda(row)) {
        unfit("_gpu_health_check", "GPU health check failed. " + row.name + ": " + row.value,
              row.advice);
        return;
      }
    }
    if (took > limits_.gpu_test) {
      unfit("_gpu_health_check",
            "GPU health check failed. It took " + std::to_string(took.count()) +
                "ms (max: " + std::to_string(limits_.gpu_test.count()) + "ms)",
            "the device or its driver is slow; see RUNPOD_GPU_TEST_TIMEOUT");
    } else if (gpus() > 0) {
      fit("_gpu_health_check", std::to_string(gpus()) + " GPU(s) healthy");
    }
  }

  void memory() {
    const auto memory = facts_.memory();
    if (!memory) {
      unfit("_memory_check", "Failed to read memory info", "/proc/meminfo could not be read");
      return;
    }
    // The SDK sees the machine, never the container. A container below the default limit is sold by
    // RunPod, so that is only reported; below a configured limit it is unfit.
    const double container = in_gb(memory->container.value_or(memory->available));
    const double machine = in_gb(memory->available);
    const bool small = std::min(container, machine) < limits_.memory_gb;
    if (machine < limits_.memory_gb || (small && limits_.memory_asked)) {
      unfit("_memory_check",
            "Insufficient memory: " + fixed(std::min(container, machine), 2) + "GB available, " +
                as_python(limits_.memory_gb) + "GB required",
            "take a larger machine, or lower RUNPOD_MIN_MEMORY_GB");
    } else if (small) {
      add("_memory_check", fitness::reduced,
          fixed(container, 2) + "GB available within the container's limit",
          "set RUNPOD_MIN_MEMORY_GB to what the model needs");
    } else {
      fit("_memory_check", fixed(std::min(container, machine), 2) + "GB available (of " +
                               fixed(in_gb(memory->total), 2) + "GB total)");
    }
  }

  void disk() {
    const auto root = facts_.disk("/");
    if (!root || root->total == 0) {
      unfit("_disk_check", "Could not check disk space: / filesystem not found", "");
      return;
    }
    const double percent = percent_of(*root);
    const std::string free = fixed(in_gb(root->free), 2) + "GB free (" + fixed(percent, 1) + "%";
    if (percent < limits_.disk_percent) {
      unfit("_disk_check",
            "Insufficient disk space: " + free + "), " + as_python(limits_.disk_percent) +
                "% required",
            "make room on /, or lower RUNPOD_MIN_DISK_PERCENT");
      return;
    }
    // A network volume may be nearly full by percentage and still have plenty of room.
    const auto data = facts_.disk(limits_.data_folder);
    if (data && data->total > 0 && percent_of(*data) < limits_.disk_percent) {
      add("_disk_check", fitness::reduced,
          fixed(in_gb(data->free), 2) + "GB free (" + fixed(percent_of(*data), 1) +
              "%) where the data folder is",
          "jobs are refused when that disk is full (storage_full)");
      return;
    }
    fit("_disk_check", free + " available)");
  }

  void network(int stop) {
    if (limits_.network.host.empty()) {
      return;
    }
    const std::string where = limits_.network.host + ":" + std::to_string(limits_.network.port);
    const auto took = facts_.connect(limits_.network, limits_.network_timeout, stop);
    if (took) {
      fit("_network_check", "Connected to " + where + " (" + std::to_string(took->count()) + "ms)",
          static_cast<std::uint32_t>(took->count()));
      return;
    }
    const bool late = took.error().code == errc::request_timeout;
    unfit("_network_check",
          late ? "Network connectivity failed: Timeout connecting to " + where + " (" +
                     std::to_string(limits_.network_timeout.count() / 1'000) + "s)"
               : "Network connectivity check failed: " + where + ": " + took.error().text,
          "see RUNPOD_NETWORK_CHECK_HOST and RUNPOD_NETWORK_CHECK_TIMEOUT");
  }

  void cuda() {
    if (gpus() == 0) {
      return;
    }
    if (const check_row* const row = find("cuda")) {
      const auto version = driver_version(row->value);
      if (version && *version < limits_.cuda) {
        unfit("_cuda_version_check",
              "CUDA version too old: " + text_of(*version) + " found, " + text_of(limits_.cuda) +
                  " required",
              "update the driver, or lower RUNPOD_MIN_CUDA_VERSION");
      } else if (version) {
        fit("_cuda_version_check", text_of(*version) + " (minimum: " + text_of(limits_.cuda) + ")");
      }
    }
    for (const check_row& row : engine_) {
      if (row.verdict == fitness::unfit && is_about_cuda(row)) {
        unfit("_cuda_init_check", "CUDA initialization failed: " + row.name + ": " + row.value,
              row.advice);
        return;
      }
    }
    fit("_cuda_init_check", std::to_string(gpus()) + " device(s) initialized successfully");
  }

  /// Measures the engine's second operation on each device: its first also starts CUDA, which the
  /// SDK does not count either.
  void benchmark() {
    std::uint32_t slowest = 0;
    bool any = false;
    for (const check_row& row : engine_) {
      if (row.name.starts_with("attention on cuda")) {
        slowest = std::max(slowest, row.ms);
        any = true;
      }
    }
    if (!any) {
      return;
    }
    const std::string took = std::to_string(slowest) + "ms";
    if (milliseconds{slowest} > limits_.benchmark) {
      unfit("_benchmark_check",
            "GPU compute too slow: attention took " + took +
                " (max: " + std::to_string(limits_.benchmark.count()) + "ms)",
            "something else uses this GPU; see RUNPOD_GPU_BENCHMARK_TIMEOUT");
    } else {
      fit("_benchmark_check", "attention completed in " + took);
    }
  }

 private:
  static double percent_of(const disk_facts& disk) {
    return 100.0 * static_cast<double>(disk.free) / static_cast<double>(disk.total);
  }
  static std::string text_of(const cuda_version& v) {
    return std::to_string(v.major) + "." + std::to_string(v.minor);
  }
  static bool is_on_gpu(const check_row& row) {
    return row.name.find(" on cuda") != std::string::npos;
  }
  /// True for rows about CUDA's start and device code, not about correct results.
  static bool is_about_cuda(const check_row& row) {
    return row.name == "cuda" || row.name.starts_with("device ");
  }
  /// The newest CUDA version that the driver supports, as nvidia-smi shows it; the SDK uses it
  /// where there is no compiler.
  static std::optional<cuda_version> driver_version(std::string_view value) {
    constexpr std::string_view mark = "runs CUDA up to ";
    const std::size_t at = value.find(mark);
    return at == std::string_view::npos ? std::nullopt
                                        : cuda_version_in(value.substr(at + mark.size()));
  }

  const check_row* find(std::string_view name) const {
    const auto found = std::find_if(engine_.begin(), engine_.end(),
                                    [name](const check_row& row) { return row.name == name; });
    return found == engine_.end() ? nullptr : &*found;
  }
  /// Number of GPUs that the engine may use.
  std::size_t gpus() const {
    return static_cast<std::size_t>(
        std::count_if(engine_.begin(), engine_.end(),
                      [](const check_row& row) { return row.name.starts_with("device "); }));
  }

  void add(std::string_view check, fitness verdict, std::string value, std::string advice,
           std::uint32_t ms = 0) {
    add_row(report_, {std::string{runpod_mark} + std::string{check}, verdict, std::move(value),
                      std::move(advice), ms});
  }
  void fit(std::string_view check, std::string value, std::uint32_t ms = 0) {
    add(check, fitness::fit, std::move(value), {}, ms);
  }
  void unfit(std::string_view check, std::string value, std::string advice) {
    add(check, fitness::unfit, std::move(value), std::move(advice));
  }

  fitness_report& report_;
  const system_limits& limits_;
  system_facts& facts_;
  const std::vector<check_row> engine_; ///< only the engine's rows
};

} // namespace

void add_system_rows(fitness_report& report, const system_limits& limits, system_facts& facts,
                     int stop) {
  row_writer rows{report, limits, facts};
  if (limits.gpu) {
    rows.gpu_health();
  }
  if (limits.system) {
    rows.memory();
    rows.disk();
    rows.network(stop);
    rows.cuda();
    rows.benchmark();
  }
}

std::optional<unhealthy> unhealthy_of(const fitness_report& report) {
  for (const check_row& row : report.rows) {
    if (row.verdict == fitness::unfit && row.name.starts_with(runpod_mark)) {
      return unhealthy{row.name.substr(runpod_mark.size()), "RuntimeError: " + row.value};
    }
  }
  return std::nullopt;
}

} // namespace tayfa
