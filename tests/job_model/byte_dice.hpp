// Dice of a fuzzer: its bytes, one or more for each choice; after their end every choice is 0.
#pragma once

#include <cstdint>
#include <span>

namespace tayfa::testing {

class byte_dice {
 public:
  explicit byte_dice(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  bool more() const { return !left_.empty(); }
  std::uint64_t operator()(std::uint64_t n) {
    std::uint64_t value = byte();
    for (auto beyond = n - 1; beyond > 255; beyond /= 256) {
      value = value * 256 + byte();
    }
    return value % n;
  }

 private:
  std::uint8_t byte() {
    if (left_.empty()) {
      return 0;
    }
    const auto first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }

  std::span<const std::uint8_t> left_;
};

} // namespace tayfa::testing
