// A tenant's share of the pod in the configuration's format: "name=weight" or "name=weight:jobs".
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

struct tenant_share {
  std::string name;
  double weight = 1;                        ///< 0.001 .. 1000
  std::optional<std::uint32_t> running_max; ///< jobs at the same time
};

/// errc::bad_config: its text completes "TEXT …".
result<tenant_share> parse_share(std::string_view);

} // namespace tayfa
