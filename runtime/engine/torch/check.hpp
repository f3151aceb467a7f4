// The compatibility test of the torch engine: what this libtorch is, which GPUs it sees and has
// code for, whether it computes right on them, and how much memory there is.
#pragma once

#include <string>

namespace tayfa::engine {

/// {"rows":[{"name","verdict","value","advice","ms"}]}; never throws. A machine without a GPU is
/// "reduced", not "unfit".
std::string check_machine();

} // namespace tayfa::engine
