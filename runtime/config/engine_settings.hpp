// The engine kind that a configuration asks for, and what the kind says of the configuration.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/config/config.hpp"

#include <vector>

namespace tayfa {

/// The kind that engine.kind names; for `auto`, the one by default for engine.models. The
/// configuration has passed its checks, so the name is known.
const engine_kind& engine_of(const config&);

/// The kind's budgets where they differ from the knobs' defaults: values that hold where nobody
/// says otherwise (config_sources::assumed).
std::vector<foreign_value> budgets_of(const engine_kind&);

} // namespace tayfa
