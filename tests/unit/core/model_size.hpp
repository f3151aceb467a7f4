// Length of the random tests: short by default, longer on request.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace tayfa::testing {

struct model_size {
  std::uint64_t seeds, steps;

  /// The defaults, or what TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS say.
  model_size(std::uint64_t default_seeds, std::uint64_t default_steps)
      : seeds(from("TAYFA_MODEL_SEEDS", default_seeds)),
        steps(from("TAYFA_MODEL_STEPS", default_steps)) {}

 private:
  static std::uint64_t from(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoull(text);
  }
};

} // namespace tayfa::testing
