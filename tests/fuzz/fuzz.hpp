// Shared by all fuzz targets: reports of a violated invariant, and choices made from bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace tayfa::fuzz {

/// A law that does not hold ends the program: that is what the fuzzer, and the replay, take for a
/// find.
inline void require(bool holds, const char* law) {
  if (!holds) {
    std::fprintf(stderr, "broken law: %s\n", law);
    std::abort();
  }
}

/// The input as a list of small choices; after its end every choice is 0.
class choices {
 public:
  choices(const std::uint8_t* bytes, std::size_t size) : at_(bytes), end_(bytes + size) {}

  bool more() const { return at_ != end_; }
  std::uint8_t byte() { return more() ? *at_++ : std::uint8_t{0}; }
  /// In [0, n), n at most 256.
  std::size_t below(std::size_t n) { return byte() % n; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

} // namespace tayfa::fuzz
