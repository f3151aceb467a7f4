#include "runtime/base/random.hpp"

namespace tayfa {

namespace {

std::mt19937_64 from_entropy() {
  std::random_device entropy;
  std::seed_seq seed{entropy(), entropy(), entropy(), entropy(),
                     entropy(), entropy(), entropy(), entropy()};
  return std::mt19937_64{seed};
}

} // namespace

seeded_random::seeded_random() : engine_(from_entropy()) {}

std::uint64_t seeded_random::next() {
  const std::lock_guard guard{mutex_};
  return engine_();
}

} // namespace tayfa
