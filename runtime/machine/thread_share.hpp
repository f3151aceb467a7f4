// Number of compute threads of an engine, and the variables that pass it to its libraries. Pure.
//
// libtorch and other users of OpenMP start a thread for each visible CPU, in every engine: with
// several slots, or less CPU time than CPUs, these threads spin waiting for each other. So the
// available CPU time (container.hpp) is divided among the slots.
//
// Users: the spawner and the compatibility test.
#pragma once

#include "runtime/machine/container.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa {

/// The value of this variable for a child: from `passed` (engine.environment), else ours. Empty
/// when there is none.
std::string value_for_child(std::string_view name, std::span<const std::string> ours,
                            std::span<const std::string> passed);

struct thread_wish {
  std::uint32_t asked = 0; ///< engine.threads; 0 = the share
  /// The engine's OMP_NUM_THREADS ("4", "4,2"): lowers the share, never raises it.
  std::string omp{};
};

std::uint32_t threads_of_engine(const thread_wish&, const cpu_room&, std::uint32_t slots,
                                std::uint32_t pinned);

/// OMP_NUM_THREADS and similar; waiting threads sleep instead of spinning, unless the operator has
/// set otherwise.
std::vector<std::pair<std::string, std::string>>
thread_variables(std::uint32_t threads, std::span<const std::string> ours,
                 std::span<const std::string> passed);

} // namespace tayfa
