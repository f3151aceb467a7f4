// What the readers of picture formats share. For picture*.cpp only.
#pragma once

#include "runtime/model/picture.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tayfa::picture_parts {

using bytes_view = std::span<const std::byte>;

/// Pixels as they are stored, before they are turned and get the channels that are wanted:
/// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
struct stored {
  picture pixels;
  int orientation = 1; ///< as EXIF counts: 1 upright … 8
};

tl::unexpected<error> broken(std::string text);

/// The limits of every picture, then the caller's check of the size that it has when it stands
/// upright.
result<void> check_size(std::uint32_t width, std::uint32_t height, int orientation,
                        const size_check&);

/// 1 to 8 out of an EXIF block (TIFF header and first directory), 1 when it says nothing valid.
int orientation_of_exif(bytes_view);

result<stored> decode_png(bytes_view, const size_check&);
result<stored> decode_jpeg(bytes_view, bool grey, const size_check&);
result<stored> decode_bmp(bytes_view, const size_check&);
result<stored> decode_gif(bytes_view, const size_check&);
result<stored> decode_webp(bytes_view, const size_check&);

} // namespace tayfa::picture_parts
