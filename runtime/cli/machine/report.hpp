// A fitness report as terminal text. Pure; its texts come from another process and are sanitized
// here.
#pragma once

#include "runtime/machine/probe.hpp"

#include <string>

namespace tayfa {

/// A table NAME VERDICT VALUE TIME with each row's advice below it, and the verdict as the last
/// line. With `colour` the verdicts are green, yellow or red.
std::string render_report(const fitness_report&, bool colour = false);

} // namespace tayfa
