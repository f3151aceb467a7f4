// The configuration flags of a command, made from the table of knobs.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// Adds --config and, for every knob, its short flag and --section.name, in one help group per
/// section. After parsing, `flags` holds the given values in the format of config_sources::flags;
/// both references outlive the parsing. load_config() validates the values, so that all errors are
/// reported together.
void add_config_flags(CLI::App&, std::vector<std::pair<std::string, std::string>>& flags,
                      std::string& file);

} // namespace tayfa
