// Paths of the sources and the build, for tests that read or start files there. In one object of
// its own: a path on every test's command line would keep ccache from sharing tests between clones.
#pragma once

#include <string>
#include <string_view>

namespace tayfa::test {

std::string in_source(std::string_view path); ///< "/docs/configuration.md"
std::string in_build(std::string_view path);  ///< "/tayfa-engine"

} // namespace tayfa::test
