// Choices of a random test: from a seed, or from the bytes of a fuzzer.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <utility>

namespace tayfa::testing {

/// A number in [0, n).
using dice = std::function<std::uint64_t(std::uint64_t n)>;

class chooser {
 public:
  explicit chooser(dice d) : dice_(std::move(d)) {}

 protected:
  std::uint64_t below(std::uint64_t n) { return dice_(n); }
  std::uint32_t small(std::uint32_t n) { return static_cast<std::uint32_t>(dice_(n)); }
  bool chance(std::uint64_t one_in) { return dice_(one_in) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return *(all.begin() + dice_(all.size()));
  }

  dice dice_;
};

} // namespace tayfa::testing
