// How many threads compute in an engine, and the variables by which its libraries hear of it. Pure.
//
// libtorch, and what else computes with OpenMP, starts a thread for each CPU it sees, in every
// engine: with several slots, or less CPU time than CPUs, they wait for each other spinning. So the
// CPU time that there is (container.hpp) is divided among the slots.
//
// Users: the spawner and the compatibility test.
#pragma once

#include "runtime/host/container.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa {

/// What a child would see of this variable: a value in `passed` (engine.environment), else ours.
/// Empty when there is none.
std::string value_for_child(std::string_view name, std::span<const std::string> ours,
                            std::span<const std::string> passed);

struct thread_wish {
  std::uint32_t asked = 0; ///< engine.threads; 0 = the share
  /// OMP_NUM_THREADS as the engine would get it ("4", "4,2"): lowers the share, never raises it.
  std::string omp{};
};

std::uint32_t threads_of_engine(const thread_wish&, const cpu_room&, std::uint32_t slots,
                                std::uint32_t pinned);

/// OMP_NUM_THREADS and its like; threads that wait sleep instead of spinning, unless the operator
/// has decided about that.
std::vector<std::pair<std::string, std::string>>
thread_variables(std::uint32_t threads, std::span<const std::string> ours,
                 std::span<const std::string> passed);

} // namespace tayfa
