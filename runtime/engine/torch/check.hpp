// The compatibility test of the torch engine: libtorch's build, visible GPUs and code for them,
// correct results on them, and the amount of memory.
#pragma once

#include <string>

namespace tayfa::engine {

/// {"rows":[{"name","verdict","value","advice","ms"}]}; never throws. A machine without a GPU is
/// "reduced", not "unfit".
std::string check_machine();

} // namespace tayfa::engine
