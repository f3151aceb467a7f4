// The pods of a head as Prometheus text, one sample for each pod. Pure.
#pragma once

#include "messages/link.hpp"

#include <span>
#include <string>

namespace tayfa::api {

/// Empty for no pods. To be appended to a page of metrics (version 0.0.4 of the text format).
std::string pod_metrics(std::span<const pod_summary>);

} // namespace tayfa::api
