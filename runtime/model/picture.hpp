// Pictures in and out: PNG, JPEG, GIF, BMP and (where libwebp is installed) WebP to 8-bit pixels,
// and 8-bit pixels to PNG.
//
// The bytes are untrusted. The size is read from the header and passed to the caller's check before
// a pixel is decoded, so a small file that claims to be enormous costs nothing. Damaged or cut-off
// pictures are errors, never partial pictures. Pixels are as a viewer shows them: rotated by EXIF's
// orientation, inks (CMYK) converted to light, the first picture of an animation. Colour profiles
// and gamma are ignored.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tayfa {

struct picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;       ///< 1 grey, 3 RGB, 4 RGBA
  std::vector<std::uint8_t> pixels; ///< rows top to bottom, channels together
};

/// Limit for any picture, whatever the check allows: 8192 x 8192.
inline constexpr std::uint64_t picture_pixels_max = std::uint64_t{1} << 26;

/// May refuse a size before anything is decoded.
using size_check = std::function<result<void>(std::uint32_t width, std::uint32_t height)>;

/// `channels` is the wanted number: colour becomes grey by ITU-R BT.601 luma, grey becomes three
/// equal channels, a pixel that is not opaque is blended over white when no alpha is wanted, and
/// missing alpha is opaque. 16-bit PNGs are scaled to 8 bits. errc::bad_input.
result<picture> decode_picture(std::span<const std::byte> bytes, std::uint32_t channels,
                               const size_check& check);

/// A PNG of the picture; errc::internal when libpng fails.
result<std::vector<std::byte>> encode_png(const picture&);

} // namespace tayfa
