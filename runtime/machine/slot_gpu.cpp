#include "runtime/machine/slot_gpu.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace tayfa {

namespace {

constexpr const char* variable = "CUDA_VISIBLE_DEVICES";

/// CUDA reads the list up to the first entry that is no device.
std::vector<std::string_view> devices_in(std::string_view list) {
  std::vector<std::string_view> out;
  for (const auto part : text::split(list, ',')) {
    const auto entry = text::trimmed(part, " ");
    if (entry.empty() || entry.front() == '-' || entry == "NoDevFiles") {
      break;
    }
    out.push_back(entry);
  }
  return out;
}

} // namespace

std::optional<std::string>
gpu_of_slot(std::uint32_t slot, std::optional<std::string_view> inherited, std::uint32_t gpus) {
  if (inherited) {
    const auto devices = devices_in(*inherited);
    return devices.empty() ? std::nullopt
                           : std::optional{std::string{devices[slot % devices.size()]}};
  }
  return gpus == 0 ? std::nullopt : std::optional{std::to_string(slot % gpus)};
}

std::uint32_t count_gpus(const std::string& folder) {
  std::uint32_t count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{folder, ignored}) {
    const auto name = entry.path().filename().string();
    const std::string_view prefix = "nvidia";
    const bool numbered = name.starts_with(prefix) && name.size() > prefix.size() &&
                          std::all_of(name.begin() + prefix.size(), name.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
    count += numbered ? 1 : 0;
  }
  return count;
}

void see_only_own_gpu(std::uint32_t slot) {
  const char* const inherited = std::getenv(variable);
  const auto list =
      inherited == nullptr ? std::nullopt : std::optional<std::string_view>{inherited};
  if (const auto own = gpu_of_slot(slot, list, count_gpus())) {
    ::setenv(variable, own->c_str(), 1);
  }
}

} // namespace tayfa
