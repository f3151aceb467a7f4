// The simulation's ids: drawn from its seed, so that a run repeats byte for byte. Predictable,
// which is why the type lives here and nowhere else.
#pragma once

#include "runtime/base/random.hpp"
#include "runtime/base/secrets.hpp"

#include <cstdint>

namespace tayfa::sim {

class seeded_secrets final : public secret_source {
 public:
  explicit seeded_secrets(std::uint64_t seed) : numbers_(seed) {}
  void fill(std::span<std::byte> bytes) override {
    for (auto& byte : bytes) {
      byte = static_cast<std::byte>(numbers_.next() & 0xFFU);
    }
  }

 private:
  seeded_random numbers_;
};

} // namespace tayfa::sim
