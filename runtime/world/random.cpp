#include "runtime/world/random.hpp"

#include <array>
#include <cstdio>

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

std::string random_source::uuid() {
  const std::uint64_t high = (next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t low = (next() & ~(3ULL << 62)) | (2ULL << 62);
  std::array<char, 37> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%012llx",
                static_cast<unsigned>(high >> 32), static_cast<unsigned>((high >> 16) & 0xffff),
                static_cast<unsigned>(high & 0xffff), static_cast<unsigned>(low >> 48),
                static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text.data();
}

} // namespace tayfa
