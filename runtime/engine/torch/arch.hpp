// Decides whether this build of libtorch can run on a GPU, from the build's targets and the
// device's capability. Pure; no libtorch, no CUDA. (CUDA C++ programming guide: "Binary
// compatibility", "PTX compatibility", "architecture-specific features".)
//
//   sm_80        machine code: runs on every device of the same major capability and at least
//                this minor one (8.0, 8.6, 8.9)
//   sm_90a       machine code for exactly 9.0
//   sm_100f      like sm_100, for a family within the major capability
//   compute_90   PTX: compiled by the driver on first use, on every device from 9.0 on
//   compute_90a  PTX for exactly 9.0
#pragma once

#include "runtime/machine/probe.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

struct capability {
  int major = 0;
  int minor = 0;
  auto operator<=>(const capability&) const = default;
};
std::string to_string(capability); ///< "9.0"

struct arch {
  enum class form : std::uint8_t { machine_code, ptx };
  form is = form::machine_code;
  capability at;
  bool exact = false; ///< "a": this capability only
  bool operator==(const arch&) const = default;
};

/// The targets named in compiler flags or lists: "-gencode;arch=compute_90,code=sm_90", "sm_80
/// sm_90a compute_90". In a -gencode flag only `code=` names the build's content. Duplicates are
/// dropped, unknown words ignored.
std::vector<arch> parse_archs(std::string_view flags);

enum class arch_match : std::uint8_t {
  machine_code, ///< runs as it is
  ptx,          ///< runs after the driver has compiled it: the first start is slow
  none,         ///< "no kernel image is available for execution on the device"
  unknown,      ///< the build does not name its targets
};
arch_match match(capability device, const std::vector<arch>& build);

struct arch_verdict {
  fitness verdict = fitness::fit;
  std::string value;
  std::string advice;
};
arch_verdict judge(std::string_view device_name, capability device, const std::vector<arch>& build);

} // namespace tayfa::engine
