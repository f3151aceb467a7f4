// Prints a configuration: as text, JSON, TOML file or page of docs. Pure.
#pragma once

#include "runtime/config/config.hpp"

#include <string>

namespace tayfa {

/// A table KEY VALUE UNIT FROM TEXT, or a JSON array of objects with these keys (values typed;
/// durations in milliseconds).
std::string render_config(const loaded_config&, bool as_json);

/// A commented file that loads back to the same values.
std::string render_toml(const config&);

/// docs/configuration.md: every knob with its default, bounds, names and meaning, and the rules
/// between knobs.
std::string render_markdown();

} // namespace tayfa
