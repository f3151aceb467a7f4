// Assigns CPUs and memory nodes to engine processes: a plan computed from a description of the
// machine, and that description read from hwloc.
//
// Planning is pure. It assumes that engines of one pod are alike, that a GPU's engine works best on
// the CPUs of the GPU's own NUMA node, that CPUs of one core (hyper-threads) should not be split
// between two engines while there are enough cores, and that the runtime's own threads run best
// when the first CPU's core is left to them. Correctness never depends on it: what is unknown or
// fails is skipped.
//
// Users: the engine host (plans, passes the place on), the engine process (applies it to itself).
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

struct machine_cpu {
  std::uint32_t number = 0; ///< the kernel's
  std::uint32_t core = 0;   ///< CPUs of one core have the same
  std::uint32_t node = 0;   ///< NUMA node, the kernel's number
};

/// The part of the machine that this process may use.
struct machine_shape {
  std::vector<machine_cpu> cpus;
  /// NUMA node of each GPU, in CUDA's order by PCI address; empty where unknown.
  std::vector<std::optional<std::uint32_t>> gpu_nodes;
};

/// CPUs and memory node of one engine. No CPUs: the kernel chooses.
struct slot_place {
  std::vector<std::uint32_t> cpus;   ///< ascending
  std::optional<std::uint32_t> node; ///< preferred memory node; only on machines with several nodes
  bool operator==(const slot_place&) const = default;
};

enum class pinning : std::uint8_t {
  off,       ///< no slot is pinned
  automatic, ///< pinned if every slot gets at least two CPUs
  on,        ///< always pinned; slots share CPUs when there are too few
};
std::optional<pinning> pinning_from(std::string_view); ///< "off", "auto", "on"

/// The place of each of near.size() slots; `near` is the node of each slot's GPU.
///
/// A slot gets CPUs of one node only: its GPU's, else the one with the most CPUs left per slot. The
/// slots of a node share its cores evenly, whole cores while there are enough. The core of the
/// first CPU is left out when that leaves every slot two CPUs.
std::vector<slot_place> plan_slots(const machine_shape&,
                                   std::span<const std::optional<std::uint32_t>> near, pinning);

/// "0-3,8"; empty for none.
std::string cpu_list(std::span<const std::uint32_t>);
/// Ascending and without duplicates. errc::bad_usage: not a list, or numbers above 65535.
result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view);

/// The part of this machine, as reported by hwloc, that this process may use; empty on failure.
machine_shape read_machine();

/// Moves the calling process (while it has one thread) to the place. Empty, or the step that
/// failed.
std::string go_to(const slot_place&);

/// Chooses places for the slots of one pod. Immutable; calls from any thread.
class slot_pinner {
 public:
  slot_pinner() = default; ///< pins no slot
  /// `visible`: CUDA_VISIBLE_DEVICES as the engines inherit it.
  slot_pinner(machine_shape, pinning, std::optional<std::string> visible);
  /// The place of this slot in a pod with `slots` slots.
  slot_place place(slot_id, std::uint32_t slots) const;

 private:
  std::optional<std::uint32_t> node_of_gpu(std::uint32_t slot) const;

  machine_shape machine_;
  pinning mode_ = pinning::off;
  std::optional<std::string> visible_;
};

} // namespace tayfa
