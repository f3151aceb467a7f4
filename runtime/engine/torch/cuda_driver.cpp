#include "runtime/engine/torch/cuda_driver.hpp"

#include <array>
#include <dlfcn.h>

namespace tayfa::engine {

namespace {

// cuda.h: CUdevice_attribute values; the driver's numbers never change.
constexpr int attribute_major = 75;
constexpr int attribute_minor = 76;

/// Never closed: unloading a driver and loading it again in one process is not supported.
void* library() {
  static void* const handle = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return handle;
}

template <class... Arguments>
int call(const char* name, Arguments... arguments) {
  constexpr int not_found = 500;
  void* const address = library() != nullptr ? ::dlsym(library(), name) : nullptr;
  if (address == nullptr) {
    return not_found;
  }
  return reinterpret_cast<int (*)(Arguments...)>(address)(arguments...);
}

std::optional<gpu> ask_gpu(int ordinal) {
  int device = 0;
  std::array<char, 256> name{};
  gpu found;
  std::size_t bytes = 0;
  if (call("cuDeviceGet", &device, ordinal) != 0 ||
      call("cuDeviceGetName", name.data(), static_cast<int>(name.size() - 1), device) != 0 ||
      call("cuDeviceGetAttribute", &found.can.major, attribute_major, device) != 0 ||
      call("cuDeviceGetAttribute", &found.can.minor, attribute_minor, device) != 0 ||
      call("cuDeviceTotalMem_v2", &bytes, device) != 0) {
    return std::nullopt;
  }
  found.name = name.data();
  found.total_bytes = bytes;
  return found;
}

} // namespace

driver_report ask_driver() {
  driver_report report;
  report.installed = library() != nullptr;
  if (!report.installed) {
    return report;
  }
  report.failure = call("cuInit", 0u);
  int count = 0;
  if (report.failure != 0 || call("cuDeviceGetCount", &count) != 0) {
    return report;
  }
  call("cuDriverGetVersion", &report.cuda_version);
  for (int i = 0; i < count; ++i) {
    if (auto found = ask_gpu(i)) {
      report.gpus.push_back(std::move(*found));
    }
  }
  return report;
}

std::optional<device_memory> current_device_memory() {
  std::size_t free = 0;
  std::size_t total = 0;
  if (call("cuMemGetInfo_v2", &free, &total) != 0) {
    return std::nullopt;
  }
  return device_memory{free, total};
}

} // namespace tayfa::engine
