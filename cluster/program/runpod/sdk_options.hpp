// The flags of RunPod's SDK on the command line of `tayfa serve` and `tayfa worker`.
#pragma once

#include "cluster/program/runpod/mode.hpp"

namespace CLI {
class App;
}

namespace tayfa {

/// `flags` outlives the parsing. choose_mode() validates the values.
void add_sdk_flags(CLI::App&, sdk_flags& flags);

} // namespace tayfa
