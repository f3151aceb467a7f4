// Shared by the decoders of picture formats. For picture*.cpp only.
#pragma once

#include "runtime/model/picture.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tayfa::picture_parts {

using bytes_view = std::span<const std::byte>;

/// Pixels as stored, before rotation and conversion of channels: 1 grey, 2 grey and alpha, 3 RGB, 4
/// RGBA.
struct stored {
  picture pixels;
  int orientation = 1; ///< EXIF's value: 1 upright … 8
};

tl::unexpected<error> broken(std::string text);

/// Checks the general limits, then calls `size_check` with the upright size.
result<void> check_size(std::uint32_t width, std::uint32_t height, int orientation,
                        const size_check&);

/// The orientation in an EXIF block (TIFF header and first directory), 1 to 8; 1 when it has no
/// valid one.
int orientation_of_exif(bytes_view);

result<stored> decode_png(bytes_view, const size_check&);
result<stored> decode_jpeg(bytes_view, bool grey, const size_check&);
result<stored> decode_bmp(bytes_view, const size_check&);
result<stored> decode_gif(bytes_view, const size_check&);
result<stored> decode_webp(bytes_view, const size_check&);

} // namespace tayfa::picture_parts
