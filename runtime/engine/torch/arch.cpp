#include "runtime/engine/torch/arch.hpp"

#include <algorithm>
#include <optional>

namespace tayfa::engine {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// "90", "90a", "100f", "120": the last digit is the minor capability.
std::optional<arch> read_target(std::string_view word, arch::form form) {
  std::size_t digits = 0;
  while (digits < word.size() && is_digit(word[digits])) {
    ++digits;
  }
  if (digits < 2 || digits > 3) {
    return std::nullopt;
  }
  const auto suffix = word.substr(digits);
  if (!suffix.empty() && suffix != "a" && suffix != "f") {
    return std::nullopt;
  }
  int number = 0;
  for (const char c : word.substr(0, digits)) {
    number = number * 10 + (c - '0');
  }
  return arch{form, {number / 10, number % 10}, suffix == "a"};
}

std::string list(const std::vector<arch>& build) {
  std::string out;
  for (const auto& a : build) {
    out += out.empty() ? "" : " ";
    out += a.is == arch::form::ptx ? "compute_" : "sm_";
    out += std::to_string(a.at.major * 10 + a.at.minor);
    out += a.exact ? "a" : "";
  }
  return out;
}

} // namespace

std::string to_string(capability c) {
  return std::to_string(c.major) + "." + std::to_string(c.minor);
}

std::vector<arch> parse_archs(std::string_view flags) {
  constexpr std::string_view separators = " \t\n;,=[]'\"";
  std::vector<arch> found;
  bool virtual_arch = false;
  while (!flags.empty()) {
    const auto end = std::min(flags.find_first_of(separators), flags.size());
    const auto word = flags.substr(0, end);
    flags.remove_prefix(std::min(end + 1, flags.size()));
    if (word.empty()) {
      continue;
    }
    if (word == "arch" || word == "code") {
      virtual_arch = word == "arch";
      continue;
    }
    const bool ptx = word.starts_with("compute_");
    const bool code = word.starts_with("sm_");
    if (!ptx && !code) {
      virtual_arch = false;
      continue;
    }
    const auto target =
        read_target(word.substr(ptx ? 8 : 3), ptx ? arch::form::ptx : arch::form::machine_code);
    if (target && !virtual_arch && std::find(found.begin(), found.end(), *target) == found.end()) {
      found.push_back(*target);
    }
  }
  return found;
}

arch_match match(capability device, const std::vector<arch>& build) {
  if (build.empty()) {
    return arch_match::unknown;
  }
  auto best = arch_match::none;
  for (const auto& a : build) {
    if (a.exact && a.at != device) {
      continue;
    }
    if (a.is == arch::form::machine_code) {
      if (a.at.major == device.major && a.at.minor <= device.minor) {
        return arch_match::machine_code;
      }
    } else if (a.at <= device) {
      best = arch_match::ptx;
    }
  }
  return best;
}

arch_verdict judge(std::string_view device_name, capability device,
                   const std::vector<arch>& build) {
  const std::string what = std::string{device_name} + ", compute capability " + to_string(device);
  switch (match(device, build)) {
  case arch_match::machine_code: return {fitness::fit, what + "; built for " + list(build), ""};
  case arch_match::ptx:
    return {fitness::reduced, what + "; built for " + list(build),
            "this libtorch has no machine code for the device: the driver compiles its kernels at "
            "the first start, which takes minutes; use a newer libtorch"};
  case arch_match::none:
    return {fitness::unfit, what + "; built for " + list(build),
            "this libtorch has no kernels for the device; use one built for compute capability " +
                to_string(device)};
  case arch_match::unknown:
    return {fitness::reduced, what + "; the build does not say what it is for",
            "the tensor operation below shows whether it works"};
  }
  return {};
}

} // namespace tayfa::engine
