// JPEG decoder. libjpeg exits by longjmp: each function that calls setjmp below holds no object
// with a destructor and changes no local after setjmp; state lives in structs of the caller.
#include "runtime/model/picture_parts.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <jerror.h>
#include <jpeglib.h>

namespace tayfa {

namespace {

using picture_parts::broken;
using picture_parts::bytes_view;

// ---- JPEG in ----------------------------------------------------------------------------------

struct jpeg_input {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf way_out{};
  bool made = false;

  ~jpeg_input() {
    if (made) {
      jpeg_destroy_decompress(&jpeg);
    }
  }
};

[[noreturn]] void jpeg_leave(j_common_ptr jpeg) {
  std::longjmp(static_cast<jpeg_input*>(jpeg->client_data)->way_out, 1);
}

/// libjpeg continues after damage and paints grey; here damage (level -1) ends the decoding. Rule
/// violations by cameras and scanners that lose no pixel are tolerated: bytes between segments, odd
/// version numbers, and a baseline file without its end marker.
void jpeg_message(j_common_ptr jpeg, int level) {
  if (level >= 0) {
    return;
  }
  switch (jpeg->err->msg_code) {
  case JWRN_EXTRANEOUS_DATA:
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM: return;
  case JWRN_JPEG_EOF:
    if (jpeg->is_decompressor != 0 &&
        reinterpret_cast<j_decompress_ptr>(jpeg)->progressive_mode == 0 &&
        jpeg_has_multiple_scans(reinterpret_cast<j_decompress_ptr>(jpeg)) == 0) {
      return;
    }
    jpeg_leave(jpeg);
  default: jpeg_leave(jpeg);
  }
}

/// A progressive JPEG of a few kilobytes can require thousands of passes over all pixels.
void jpeg_count_scans(j_common_ptr jpeg) {
  constexpr int scans_max = 100;
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > scans_max) {
    jpeg_leave(jpeg);
  }
}

bool jpeg_read_head(jpeg_input& in, bytes_view bytes) {
  if (setjmp(in.way_out) != 0) {
    return false;
  }
  jpeg_create_decompress(&in.jpeg);
  in.made = true;
  in.jpeg.progress = &in.progress;
  jpeg_mem_src(&in.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&in.jpeg, JPEG_APP0 + 1, 0xffff);
  return ::jpeg_read_header(&in.jpeg, TRUE) == JPEG_HEADER_OK;
}

bool jpeg_read_pixels(jpeg_input& in, std::uint8_t* pixels) {
  if (setjmp(in.way_out) != 0) {
    return false;
  }
  jpeg_start_decompress(&in.jpeg);
  const std::size_t row_bytes =
      std::size_t{in.jpeg.output_width} * static_cast<std::size_t>(in.jpeg.output_components);
  while (in.jpeg.output_scanline < in.jpeg.output_height) {
    JSAMPROW row = pixels + row_bytes * in.jpeg.output_scanline;
    jpeg_read_scanlines(&in.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&in.jpeg);
  return true;
}

int orientation_of(const jpeg_decompress_struct& jpeg) {
  constexpr std::string_view mark{"Exif\0\0", 6};
  for (const auto* at = jpeg.marker_list; at != nullptr; at = at->next) {
    const auto* const first = reinterpret_cast<const char*>(at->data);
    if (at->marker == JPEG_APP0 + 1 && std::string_view{first, at->data_length}.starts_with(mark)) {
      return picture_parts::orientation_of_exif(
          std::as_bytes(std::span{first, at->data_length}).subspan(mark.size()));
    }
  }
  return 1;
}

/// Converts inks to light, as viewers without a colour profile do. Adobe's programs, which write
/// nearly all of these files, store them inverted and set a marker.
std::vector<std::uint8_t> rgb_of_cmyk(const std::vector<std::uint8_t>& inks, bool inverted) {
  std::vector<std::uint8_t> out(inks.size() / 4 * 3);
  for (std::size_t i = 0; i < inks.size() / 4; ++i) {
    const auto light = [&](std::size_t c) -> unsigned {
      const unsigned ink = inks[4 * i + c];
      return inverted ? ink : 255 - ink;
    };
    for (std::size_t c = 0; c < 3; ++c) {
      out[3 * i + c] = static_cast<std::uint8_t>((light(c) * light(3) + 127) / 255);
    }
  }
  return out;
}

} // namespace

result<picture_parts::stored> picture_parts::decode_jpeg(bytes_view bytes, bool grey,
                                                         const size_check& check) {
  jpeg_input in;
  in.jpeg.err = jpeg_std_error(&in.errors);
  in.jpeg.client_data = &in;
  in.errors.error_exit = jpeg_leave;
  in.errors.emit_message = jpeg_message;
  in.progress.progress_monitor = jpeg_count_scans;
  if (!jpeg_read_head(in, bytes)) {
    return broken("the JPEG is damaged or cut off");
  }
  const int orientation = orientation_of(in.jpeg);
  if (auto sized = check_size(in.jpeg.image_width, in.jpeg.image_height, orientation, check);
      !sized) {
    return fail(std::move(sized.error()));
  }
  const auto space = in.jpeg.jpeg_color_space;
  const bool inks = space == JCS_CMYK || space == JCS_YCCK;
  if (space == JCS_UNKNOWN) {
    return broken("the JPEG is neither grey nor RGB nor CMYK");
  }
  in.jpeg.out_color_space = inks                                                     ? JCS_CMYK
                            : space == JCS_GRAYSCALE || (grey && space == JCS_YCbCr) ? JCS_GRAYSCALE
                                                                                     : JCS_RGB;
  const std::uint32_t channels = inks ? 4 : in.jpeg.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  const std::uint32_t width = in.jpeg.image_width;
  const std::uint32_t height = in.jpeg.image_height;
  std::vector<std::uint8_t> pixels(std::size_t{width} * height * channels);
  if (!jpeg_read_pixels(in, pixels.data())) {
    return broken("the JPEG is damaged or cut off");
  }
  if (inks) {
    pixels = rgb_of_cmyk(pixels, in.jpeg.saw_Adobe_marker != 0);
  }
  return stored{{width, height, inks ? 3 : channels, std::move(pixels)}, orientation};
}

} // namespace tayfa
