#include "runtime/engine/torch/check.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/engine/torch/cuda_driver.hpp"
#include "runtime/engine/torch/program.hpp"

#include <algorithm>
#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/Version.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <torch/version.h>

namespace tayfa::engine {

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

std::string_view word(fitness verdict) {
  switch (verdict) {
  case fitness::fit: return "fit";
  case fitness::reduced: return "reduced";
  case fitness::unfit: return "unfit";
  }
  return "unfit";
}

std::string in_gib(std::uint64_t bytes) {
  const auto tenths = bytes * 10 / gib;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

/// The targets in the CUDA build's configuration: its line "NVCC architecture flags:
/// -gencode;arch=…".
std::vector<arch> built_for() {
  const std::string text = at::detail::getCUDAHooks().showConfig();
  constexpr std::string_view mark = "NVCC architecture flags:";
  const auto at = text.find(mark);
  if (at == std::string::npos) {
    return {};
  }
  const auto line = std::string_view{text}.substr(at + mark.size());
  return parse_archs(line.substr(0, line.find('\n')));
}

class checker {
 public:
  std::vector<check_row> run() {
    row("libtorch", [] { return libtorch(); });
    const bool built = at::detail::getCUDAHooks().hasCUDART();
    const driver_report driver = ask_driver();
    row("cuda", [&] { return cuda(built, driver); });
    if (built) {
      const auto archs = built_for();
      for (std::size_t i = 0; i < driver.gpus.size(); ++i) {
        row("device " + std::to_string(i), [&] {
          const auto judged = judge(driver.gpus[i].name, driver.gpus[i].can, archs);
          return check_row{"", judged.verdict, judged.value, judged.advice, 0};
        });
      }
    }
    row("memory for models", [] { return host_memory(); });
    on(c10::Device{c10::DeviceType::CPU});
    if (at::hasCUDA()) {
      for (std::size_t i = 0; i < driver.gpus.size(); ++i) {
        on(c10::Device{c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(i)});
      }
    }
    return std::move(rows_);
  }

 private:
  /// An exception in a row's body becomes the row's verdict.
  void row(const std::string& name, const std::function<check_row()>& body) {
    const auto start = time_.now();
    check_row made;
    try {
      made = body();
    } catch (const std::exception& e) {
      made = {"", fitness::unfit, "failed: " + brief_message(e.what()),
              "this libtorch does not work on this machine", 0};
    }
    made.name = name;
    made.ms = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(time_.now() - start).count());
    rows_.push_back(std::move(made));
  }

  void on(c10::Device device) {
    const auto suffix = device.is_cpu() ? std::string{" on cpu"} : " on " + device.str();
    row("tensor operation" + suffix, [device] { return tensor_operation(device); });
    row("attention" + suffix, [device] { return attention(device); });
    if (device.is_cuda()) {
      row("memory" + suffix, [device] { return gpu_memory(device); });
    }
  }

  static check_row libtorch() {
    const bool built = at::detail::getCUDAHooks().hasCUDART();
    return {"", fitness::fit, std::string{TORCH_VERSION} + (built ? ", CUDA build" : ", cpu build"),
            "", 0};
  }

  static check_row cuda(bool built, const driver_report& driver) {
    const std::string seen = std::to_string(driver.gpus.size()) + " GPU(s) seen by the driver";
    if (!built) {
      return {"", fitness::reduced, "cpu build; " + seen,
              "models run on the CPU; a libtorch built for CUDA uses GPUs", 0};
    }
    const auto version = at::detail::getCUDAHooks().versionCUDART();
    const std::string made = "built for CUDA " + std::to_string(version / 1000) + "." +
                             std::to_string(version % 1000 / 10);
    const std::string runs = "; the driver runs CUDA up to " +
                             std::to_string(driver.cuda_version / 1000) + "." +
                             std::to_string(driver.cuda_version % 1000 / 10) + "; ";
    if (at::hasCUDA()) {
      return {"", fitness::fit, made + runs + seen, "", 0};
    }
    if (!driver.installed) {
      return {"", fitness::reduced, made + "; no NVIDIA driver",
              "models run on the CPU; start the container with --gpus all to use GPUs", 0};
    }
    if (driver.gpus.empty()) {
      return {"", fitness::reduced,
              made + "; the driver shows no GPU (error " + std::to_string(driver.failure) + ")",
              "models run on the CPU; check nvidia-smi, and CUDA_VISIBLE_DEVICES", 0};
    }
    return {"", fitness::unfit, made + runs + seen,
            "the GPUs cannot be used: update the driver, or use a libtorch for an older CUDA", 0};
  }

  static check_row judged(double error, double allowed, const std::string& what) {
    if (error <= allowed) {
      return {"", fitness::fit, what + " as expected", "", 0};
    }
    return {"", fitness::unfit, what + " is wrong by " + std::to_string(error),
            "this device computes wrong results; do not use it", 0};
  }

  /// A[i][j] = i + j and B[j][k] = j - k, 64 x 64: every entry of A*B is a sum with a closed form,
  /// exact in float.
  static check_row tensor_operation(c10::Device device) {
    constexpr std::int64_t n = 64;
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
    const auto steps = at::arange(n, options);
    const auto a = steps.view({n, 1}) + steps.view({1, n});
    const auto b = steps.view({n, 1}) - steps.view({1, n});
    const auto product = at::matmul(a, b).to(at::kCPU, at::kDouble).contiguous();
    const auto* got = product.const_data_ptr<double>();
    constexpr double sum = n * (n - 1) / 2.0;
    constexpr double squares = (n - 1) * n * (2 * n - 1) / 6.0;
    double worst = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t k = 0; k < n; ++k) {
        const auto row_number = static_cast<double>(i);
        const auto column = static_cast<double>(k);
        const double expected = row_number * sum - row_number * column * n + squares - column * sum;
        const double off = std::abs(got[i * n + k] - expected);
        worst = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(worst, off);
      }
    }
    // TF32, if a user enabled it, keeps ten bits of each factor; these need seven.
    return judged(worst, 0.5, "a 64 x 64 matrix product");
  }

  /// Keys score ln 1 and ln 3, so the weights are 1/4 and 3/4, and the values 4 and 8 give 7.
  static check_row attention(c10::Device device) {
    constexpr std::int64_t width = 64;
    const auto type = device.is_cpu() ? at::kFloat : at::kHalf;
    const auto options = at::TensorOptions().dtype(type).device(device);
    auto query = at::zeros({1, 2, 16, width}, options);
    query.select(3, 0).fill_(std::sqrt(static_cast<double>(width)));
    auto key = at::zeros({1, 2, 2, width}, options);
    key.select(2, 1).select(2, 0).fill_(std::log(3.0));
    auto value = at::empty({1, 2, 2, width}, options);
    value.select(2, 0).fill_(4.0);
    value.select(2, 1).fill_(8.0);
    const auto mixed = at::scaled_dot_product_attention(query, key, value);
    const double worst = (mixed.to(at::kCPU, at::kDouble) - 7.0).abs().max().item<double>();
    return judged(std::isnan(worst) ? std::numeric_limits<double>::infinity() : worst,
                  device.is_cpu() ? 1e-4 : 2e-2, "scaled dot product attention");
  }

  static check_row host_memory() {
    std::ifstream file{"/proc/meminfo"};
    std::string key;
    std::uint64_t kib = 0;
    while (file >> key) {
      if (key == "MemAvailable:" && file >> kib) {
        const bool enough = kib >= gib / 1024;
        return {"", enough ? fitness::fit : fitness::reduced,
                "host: " + in_gib(kib * 1024) + " available",
                enough ? "" : "less than 1 GiB: larger models will not load", 0};
      }
    }
    return {"", fitness::reduced, "host: unknown", "/proc/meminfo does not say", 0};
  }

  static check_row gpu_memory(c10::Device device) {
    at::empty({1}, at::TensorOptions().device(device));
    const auto memory = current_device_memory();
    if (!memory) {
      return {"", fitness::reduced, "unknown", "the driver does not say", 0};
    }
    const bool enough = memory->free >= gib;
    return {"", enough ? fitness::fit : fitness::reduced,
            in_gib(memory->free) + " free of " + in_gib(memory->total),
            enough ? "" : "less than 1 GiB free: something else uses this GPU", 0};
  }

  system_time time_;
  std::vector<check_row> rows_;
};

} // namespace

std::string check_machine() {
  namespace json = boost::json;
  json::array rows;
  for (const auto& row : checker{}.run()) {
    const auto verdict = word(row.verdict);
    rows.push_back(json::object{{"name", row.name},
                                {"verdict", json::string_view{verdict.data(), verdict.size()}},
                                {"value", row.value},
                                {"advice", row.advice},
                                {"ms", row.ms}});
  }
  return json::serialize(json::object{{"rows", std::move(rows)}});
}

} // namespace tayfa::engine
