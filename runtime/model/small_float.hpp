// The 16-bit floats: IEEE binary16 (f16) and bfloat16 (bf16), from and to double, without a device
// or libtorch.
//
// Narrowing rounds once, to nearest, ties to even, straight from double: going through float would
// round twice. Too large a value becomes an infinity; the caller decides whether that is an error.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tayfa {

template <int ExponentBits, int MantissaBits>
struct small_float {
  static_assert(1 + ExponentBits + MantissaBits == 16);
  static constexpr int bias = (1 << (ExponentBits - 1)) - 1;
  static constexpr std::uint32_t infinity = ((1u << ExponentBits) - 1) << MantissaBits;

  static std::uint16_t narrow(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const auto sign = static_cast<std::uint32_t>(bits >> 63) << 15;
    const auto exponent = static_cast<int>(bits >> 52 & 0x7ff);
    const std::uint64_t mantissa = bits & ((std::uint64_t{1} << 52) - 1);
    if (exponent == 0x7ff) {
      const std::uint32_t quiet = mantissa != 0 ? 1u << (MantissaBits - 1) : 0;
      return static_cast<std::uint16_t>(sign | infinity | quiet);
    }
    // A subnormal double is far below half of the smallest 16-bit number.
    int scaled = exponent - 1023 + bias;
    int shift = 52 - MantissaBits;
    if (scaled <= 0) {
      shift += 1 - scaled;
      scaled = 1;
    }
    if (exponent == 0 || shift > 53) {
      return static_cast<std::uint16_t>(sign);
    }
    const std::uint64_t significand = mantissa | std::uint64_t{1} << 52;
    const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1);
    const std::uint64_t half = std::uint64_t{1} << (shift - 1);
    std::uint64_t kept = significand >> shift;
    if (rest > half || (rest == half && (kept & 1) != 0)) {
      ++kept;
    }
    // For a normal number `kept` includes the implicit bit, which is added to the exponent, as is a
    // rounding carry.
    const std::uint64_t whole = (static_cast<std::uint64_t>(scaled - 1) << MantissaBits) + kept;
    return static_cast<std::uint16_t>(
        sign | (whole >= infinity ? infinity : static_cast<std::uint32_t>(whole)));
  }

  static double widen(std::uint16_t bits) {
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    const int exponent = bits >> MantissaBits & ((1 << ExponentBits) - 1);
    const int mantissa = bits & ((1 << MantissaBits) - 1);
    if (exponent == (1 << ExponentBits) - 1) {
      return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                           : sign * std::numeric_limits<double>::infinity();
    }
    if (exponent == 0) {
      return sign * std::ldexp(mantissa, 1 - bias - MantissaBits);
    }
    return sign * std::ldexp(mantissa + (1 << MantissaBits), exponent - bias - MantissaBits);
  }
};

using binary16 = small_float<5, 10>;
using bfloat16 = small_float<8, 7>;

} // namespace tayfa
