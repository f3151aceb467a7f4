#include "runtime/base/checksum.hpp"

#include <array>

namespace tayfa {

namespace {

constexpr std::array<std::uint32_t, 256> make_steps() {
  std::array<std::uint32_t, 256> steps{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) {
      rest = (rest >> 1U) ^ ((rest & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    steps[byte] = rest;
  }
  return steps;
}

constexpr auto steps = make_steps();

} // namespace

std::uint32_t crc32_of(std::string_view bytes) {
  std::uint32_t sum = ~0U;
  for (const char c : bytes) {
    sum = (sum >> 8U) ^ steps[(sum ^ static_cast<unsigned char>(c)) & 255U];
  }
  return ~sum;
}

} // namespace tayfa
