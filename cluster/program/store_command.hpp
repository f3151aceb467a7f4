// `tayfa store copy FROM TO`: all jobs of one store into another, with a check.
#pragma once

#include "messages/error.hpp"

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace tayfa {

void add_store_command(CLI::App&, int& exit_code);

/// Why the jobs in this data folder are not to be served: they were copied somewhere else. None:
/// they were not.
std::optional<error> moved_away(const std::string& data_folder);

} // namespace tayfa
