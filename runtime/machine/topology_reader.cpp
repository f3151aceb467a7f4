// Reads the machine from hwloc, and its GPUs from the NVIDIA driver and the kernel. hwloc could
// report the GPUs too, but needs 25 ms and more to look at all devices; without them it takes 1 ms.
#include "runtime/machine/topology.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <hwloc.h>
#include <memory>
#include <sstream>
#include <string>

namespace tayfa {

namespace {

namespace fs = std::filesystem;

using topology = std::unique_ptr<hwloc_topology, decltype(&hwloc_topology_destroy)>;
using bitmap = std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)>;

topology load() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return {nullptr, &hwloc_topology_destroy};
  }
  topology out{raw, &hwloc_topology_destroy};
  // The x86 component queries each CPU itself; the kernel's data is enough.
  hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
  if (hwloc_topology_load(raw) != 0) {
    out.reset();
  }
  return out;
}

std::uint32_t node_of(hwloc_obj_t object) {
  const int first = object->nodeset == nullptr ? -1 : hwloc_bitmap_first(object->nodeset);
  return first < 0 ? 0 : static_cast<std::uint32_t>(first);
}

std::vector<machine_cpu> read_cpus(hwloc_topology_t machine) {
  const bitmap mine{hwloc_bitmap_alloc(), &hwloc_bitmap_free};
  const bool bound = hwloc_get_cpubind(machine, mine.get(), HWLOC_CPUBIND_PROCESS) == 0;
  std::vector<machine_cpu> out;
  for (hwloc_obj_t pu = nullptr;
       (pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu)) != nullptr;) {
    if (bound && hwloc_bitmap_isset(mine.get(), pu->os_index) == 0) {
      continue;
    }
    const auto* core = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu);
    const auto number = static_cast<std::uint32_t>(pu->os_index);
    out.push_back({number, core == nullptr ? number : core->logical_index, node_of(pu)});
  }
  return out;
}

/// PCI addresses of the GPUs that this process may open, in their order. The driver lists them in
/// /proc; in a container it lists all, and the device files show which are accessible.
std::vector<std::string> gpu_addresses() {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{"/proc/driver/nvidia/gpus", ignored}) {
    std::ifstream file{entry.path() / "information"};
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream words{line};
      std::string device;
      std::string minor;
      std::uint32_t number = 0;
      if (words >> device >> minor >> number && device == "Device" && minor == "Minor:" &&
          fs::exists("/dev/nvidia" + std::to_string(number), ignored)) {
        out.push_back(entry.path().filename().string());
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::uint32_t> node_of_device(const std::string& address) {
  std::ifstream file{"/sys/bus/pci/devices/" + address + "/numa_node"};
  std::int64_t node = -1;
  return file >> node && node >= 0 ? std::optional{static_cast<std::uint32_t>(node)} : std::nullopt;
}

} // namespace

machine_shape read_machine() {
  const auto machine = load();
  if (!machine) {
    return {};
  }
  machine_shape out;
  out.cpus = read_cpus(machine.get());
  for (const auto& address : gpu_addresses()) {
    out.gpu_nodes.push_back(node_of_device(address));
  }
  return out;
}

} // namespace tayfa
