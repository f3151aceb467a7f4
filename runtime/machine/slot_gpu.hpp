// Selects the GPU that a slot's engine process may see: exactly one, so that it is cuda:0 there and
// no other GPU's memory or fault can affect it. The decision is pure; the process applies it by
// setting CUDA_VISIBLE_DEVICES before the first call into CUDA.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

/// The value of CUDA_VISIBLE_DEVICES for this slot: the slot-th of the devices that the runtime
/// itself may see (`inherited`, when it is set), else the slot-th of `gpus` in this machine,
/// starting over when there are more slots than GPUs. Empty when there is no GPU to choose, or none
/// is visible (an empty list, "-1", "NoDevFiles").
std::optional<std::string>
gpu_of_slot(std::uint32_t slot, std::optional<std::string_view> inherited, std::uint32_t gpus);

/// Number of GPUs with device files (/dev/nvidia0, …) in `folder`.
std::uint32_t count_gpus(const std::string& folder = "/dev");

/// Sets CUDA_VISIBLE_DEVICES for this process; to be called while it has one thread.
void see_only_own_gpu(std::uint32_t slot);

} // namespace tayfa
