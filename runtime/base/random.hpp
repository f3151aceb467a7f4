// Chance as an argument, so that a seed replays a run: jitter of pauses, the weather of the
// simulation. Whoever has seen some of its numbers can compute the rest, so nothing that must not
// be guessed comes from here: ids and keys are capabilities and come from a secret_source
// (runtime/base/secrets.hpp), which is another type.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>

namespace tayfa {

class random_source {
 public:
  virtual ~random_source() = default;
  virtual std::uint64_t next() = 0;

  /// A number in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
};

/// mt19937_64 from a seed; from the system's entropy when none is given. Thread safe.
class seeded_random final : public random_source {
 public:
  seeded_random();
  explicit seeded_random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() override;

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

} // namespace tayfa
