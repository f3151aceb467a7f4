#include "tests/support/places.hpp"

namespace tayfa::test {

std::string in_source(std::string_view path) {
  return TAYFA_SOURCE_DIR + std::string{path};
}

std::string in_build(std::string_view path) {
  return TAYFA_BINARY_DIR + std::string{path};
}

} // namespace tayfa::test
