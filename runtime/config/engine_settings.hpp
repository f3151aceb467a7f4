// The engine kind that a configuration asks for, and what the kind says of the configuration.
#pragma once

#include "messages/slot_engines.hpp"
#include "runtime/config/config.hpp"

#include <vector>

namespace tayfa {

/// The kind that engine.kind names; for `auto`, the one by default for engine.models. The
/// configuration has passed its checks, so the name is known.
const engine_kind& engine_of(const config&);

/// The kind of each slot: that of engine_of, but for the slots that engine.slot_kinds names.
slot_engines engines_of(const config&);

/// The longest budgets of the kinds where they differ from the knobs' defaults: values that hold
/// where no source sets another one (config_sources::assumed).
std::vector<foreign_value> budgets_of(std::span<const engine_kind>);

} // namespace tayfa
