// The flags of every command that takes a configuration, from the table of knobs.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace tayfa {

/// Adds --config and, for every knob, its short flag and --section.name, in one help group per
/// section. After parsing, `flags` holds what was given, as config_sources::flags wants it; both
/// references outlive the parsing. Values are not judged here: load_config() does that, so that all
/// errors come together.
void add_config_flags(CLI::App&, std::vector<std::pair<std::string, std::string>>& flags,
                      std::string& file);

} // namespace tayfa
