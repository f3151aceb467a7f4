// The flags of RunPod's SDK on the command line of `tayfa serve` and `tayfa worker`.
#pragma once

#include "cluster/program/runpod/mode.hpp"

namespace CLI {
class App;
}

namespace tayfa {

/// `flags` outlives the parsing. Values are judged by choose_mode().
void add_sdk_flags(CLI::App&, sdk_flags& flags);

} // namespace tayfa
