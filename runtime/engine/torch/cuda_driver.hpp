// Lists the GPUs that the NVIDIA driver shows to this process, without CUDA headers or libtorch:
// libcuda is opened if present; without it the list is empty.
#pragma once

#include "runtime/engine/torch/arch.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::engine {

struct gpu {
  std::string name;
  capability can;
  std::uint64_t total_bytes = 0;
};

struct driver_report {
  bool installed = false; ///< libcuda could be opened
  int cuda_version = 0;   ///< 13000 = 13.0: the newest CUDA version that the driver supports
  int failure = 0;        ///< the driver's error number when it could not start
  std::vector<gpu> gpus;
};
driver_report ask_driver();

/// Free and total bytes on the device whose context is current on this thread.
struct device_memory {
  std::uint64_t free = 0;
  std::uint64_t total = 0;
};
std::optional<device_memory> current_device_memory();

} // namespace tayfa::engine
