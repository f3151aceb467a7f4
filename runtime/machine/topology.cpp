#include "runtime/machine/topology.hpp"

#include "runtime/machine/slot_gpu.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <sched.h>
#include <set>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace tayfa {

namespace {

constexpr std::uint32_t cpu_most = 65'535;
constexpr std::uint32_t node_most = 1'023;
constexpr std::size_t enough_cpus = 2; ///< for a slot

using core = std::vector<std::uint32_t>; ///< the CPUs of one core
using cores_by_node = std::map<std::uint32_t, std::vector<core>>;

cores_by_node group(const std::vector<machine_cpu>& cpus) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, core> cores;
  for (const auto& cpu : cpus) {
    cores[{cpu.node, cpu.core}].push_back(cpu.number);
  }
  cores_by_node out;
  for (auto& [where, one] : cores) {
    std::sort(one.begin(), one.end());
    out[where.first].push_back(std::move(one));
  }
  return out;
}

/// All CPUs except those of the first CPU's core.
std::vector<machine_cpu> without_first_core(const std::vector<machine_cpu>& cpus) {
  const auto first = std::min_element(
      cpus.begin(), cpus.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  std::vector<machine_cpu> out;
  for (const auto& cpu : cpus) {
    if (cpu.core != first->core || cpu.node != first->node) {
      out.push_back(cpu);
    }
  }
  return out;
}

std::size_t count(const std::vector<core>& cores) {
  std::size_t sum = 0;
  for (const auto& one : cores) {
    sum += one.size();
  }
  return sum;
}

/// The node of each slot.
std::vector<std::uint32_t> choose_nodes(const cores_by_node& nodes,
                                        std::span<const std::optional<std::uint32_t>> near) {
  std::vector<std::uint32_t> out(near.size());
  std::map<std::uint32_t, std::size_t> taken;
  for (std::size_t i = 0; i < near.size(); ++i) {
    if (near[i] && nodes.contains(*near[i])) {
      out[i] = *near[i];
      ++taken[out[i]];
    }
  }
  for (std::size_t i = 0; i < near.size(); ++i) {
    if (near[i] && nodes.contains(*near[i])) {
      continue;
    }
    double best = -1;
    for (const auto& [node, cores] : nodes) {
      const double share = static_cast<double>(count(cores)) / static_cast<double>(taken[node] + 1);
      if (share > best) {
        best = share;
        out[i] = node;
      }
    }
    ++taken[out[i]];
  }
  return out;
}

/// The CPUs of the index-th of `slots` slots that share these cores.
std::vector<std::uint32_t> share_of(const std::vector<core>& cores, std::size_t index,
                                    std::size_t slots) {
  std::vector<core> parts = cores;
  if (cores.size() < slots) {
    parts.clear();
    for (const auto& one : cores) {
      for (const auto cpu : one) {
        parts.push_back({cpu});
      }
    }
  }
  std::vector<std::uint32_t> out;
  if (parts.size() < slots) {
    return parts[index % parts.size()];
  }
  for (auto i = index * parts.size() / slots; i < (index + 1) * parts.size() / slots; ++i) {
    out.insert(out.end(), parts[i].begin(), parts[i].end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<slot_place> share_out(const std::vector<machine_cpu>& cpus,
                                  std::span<const std::optional<std::uint32_t>> near,
                                  bool several_nodes) {
  const auto nodes = group(cpus);
  const auto chosen = choose_nodes(nodes, near);
  std::map<std::uint32_t, std::size_t> slots_of;
  for (const auto node : chosen) {
    ++slots_of[node];
  }
  std::map<std::uint32_t, std::size_t> next;
  std::vector<slot_place> out;
  for (const auto node : chosen) {
    slot_place place;
    place.cpus = share_of(nodes.at(node), next[node]++, slots_of[node]);
    if (several_nodes) {
      place.node = node;
    }
    out.push_back(std::move(place));
  }
  return out;
}

bool everybody_has_enough(const std::vector<slot_place>& places) {
  std::set<std::uint32_t> taken;
  for (const auto& place : places) {
    if (place.cpus.size() < enough_cpus) {
      return false;
    }
    for (const auto cpu : place.cpus) {
      if (!taken.insert(cpu).second) {
        return false;
      }
    }
  }
  return true;
}

/// "3" or "3-5".
std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_range(std::string_view text) {
  const auto number = [](std::string_view part) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), value);
    const bool whole = read.ec == std::errc{} && read.ptr == part.data() + part.size();
    return whole && value <= cpu_most ? std::optional{value} : std::nullopt;
  };
  const auto dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last || *first > *last) {
    return std::nullopt;
  }
  return std::pair{*first, *last};
}

} // namespace

std::optional<pinning> pinning_from(std::string_view text) {
  if (text == "off") {
    return pinning::off;
  }
  if (text == "auto") {
    return pinning::automatic;
  }
  return text == "on" ? std::optional{pinning::on} : std::nullopt;
}

std::vector<slot_place> plan_slots(const machine_shape& machine,
                                   std::span<const std::optional<std::uint32_t>> near,
                                   pinning mode) {
  const std::vector<slot_place> nobody(near.size());
  if (mode == pinning::off || near.empty() || machine.cpus.empty()) {
    return nobody;
  }
  const bool several_nodes = group(machine.cpus).size() > 1;
  if (const auto rest = without_first_core(machine.cpus); !rest.empty()) {
    auto places = share_out(rest, near, several_nodes);
    if (everybody_has_enough(places)) {
      return places;
    }
  }
  auto places = share_out(machine.cpus, near, several_nodes);
  return mode == pinning::on || everybody_has_enough(places) ? places : nobody;
}

std::string cpu_list(std::span<const std::uint32_t> cpus) {
  std::string out;
  for (std::size_t i = 0; i < cpus.size();) {
    auto last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
      ++last;
    }
    out += (out.empty() ? "" : ",") + std::to_string(cpus[i]);
    if (last > i) {
      out += "-" + std::to_string(cpus[last]);
    }
    i = last + 1;
  }
  return out;
}

result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
  std::set<std::uint32_t> cpus;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto range = parse_range(text.substr(0, comma));
    if (!range || comma + 1 == text.size()) {
      return fail(errc::bad_usage, "CPUs are written as 0-3,8 with numbers up to 65535");
    }
    for (auto cpu = range->first; cpu <= range->second; ++cpu) {
      cpus.insert(cpu);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return std::vector<std::uint32_t>{cpus.begin(), cpus.end()};
}

std::string go_to(const slot_place& place) {
  std::string failed;
  if (!place.cpus.empty()) {
    const auto size = CPU_ALLOC_SIZE(place.cpus.back() + 1);
    auto* set = CPU_ALLOC(place.cpus.back() + 1);
    CPU_ZERO_S(size, set);
    for (const auto cpu : place.cpus) {
      CPU_SET_S(cpu, size, set);
    }
    if (::sched_setaffinity(0, size, set) != 0) {
      failed = std::string{"sched_setaffinity: "} + std::strerror(errno);
    }
    CPU_FREE(set);
  }
  if (place.node && *place.node <= node_most) {
    // <numaif.h> belongs to libnuma; the call is the kernel's. Preferred, not bound: a full node
    // must not fail an allocation.
    constexpr int mpol_preferred = 1;
    constexpr auto bits = 8 * sizeof(unsigned long);
    std::vector<unsigned long> nodes(*place.node / bits + 1, 0);
    nodes[*place.node / bits] = 1UL << (*place.node % bits);
    if (::syscall(SYS_set_mempolicy, mpol_preferred, nodes.data(), nodes.size() * bits + 1) != 0) {
      failed +=
          (failed.empty() ? "" : "; ") + std::string{"set_mempolicy: "} + std::strerror(errno);
    }
  }
  return failed;
}

slot_pinner::slot_pinner(machine_shape machine, pinning mode, std::optional<std::string> visible)
    : machine_(std::move(machine)), mode_(mode), visible_(std::move(visible)) {}

std::optional<std::uint32_t> slot_pinner::node_of_gpu(std::uint32_t slot) const {
  const auto list = visible_ ? std::optional<std::string_view>{*visible_} : std::nullopt;
  const auto gpus = static_cast<std::uint32_t>(machine_.gpu_nodes.size());
  const auto name = gpu_of_slot(slot, list, gpus);
  if (!name) {
    return std::nullopt;
  }
  std::uint32_t number = 0;
  const auto read = std::from_chars(name->data(), name->data() + name->size(), number);
  const bool is_number = read.ec == std::errc{} && read.ptr == name->data() + name->size();
  return is_number && number < gpus ? machine_.gpu_nodes[number] : std::nullopt;
}

slot_place slot_pinner::place(slot_id slot, std::uint32_t slots) const {
  if (mode_ == pinning::off || slot.value >= slots) {
    return {};
  }
  std::vector<std::optional<std::uint32_t>> near;
  for (std::uint32_t i = 0; i < slots; ++i) {
    near.push_back(node_of_gpu(i));
  }
  return plan_slots(machine_, near, mode_)[slot.value];
}

} // namespace tayfa
