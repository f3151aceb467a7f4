#include "runtime/model/picture.hpp"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <jpeglib.h>
#include <png.h>

// libpng and libjpeg leave by longjmp. Each function that calls setjmp below holds no object with a
// destructor and changes no local after setjmp: state lives in structs of the caller.

namespace tayfa {

namespace {

constexpr std::array<unsigned char, 8> png_magic{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

auto broken(std::string text) {
  return fail(errc::bad_input, std::move(text));
}

result<void> check_size(std::uint32_t width, std::uint32_t height, const size_check& check) {
  if (width == 0 || height == 0) {
    return broken("the picture has no pixels");
  }
  if (std::uint64_t{width} * height > picture_pixels_max) {
    return broken("the picture has more than 67108864 pixels");
  }
  return check(width, height);
}

/// BT.601 luma in 16-bit fixed point, rounded to nearest; the weights add up to 65536.
std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >>
                                   16);
}

/// `from`: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA; `to`: 1, 3 or 4.
std::vector<std::uint8_t> with_channels(std::vector<std::uint8_t> pixels, std::uint32_t from,
                                        std::uint32_t to) {
  if (from == to) {
    return pixels;
  }
  const std::size_t count = pixels.size() / from;
  std::vector<std::uint8_t> out(count * to);
  const bool colour = from >= 3;
  const bool alpha = from == 2 || from == 4;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* const in = pixels.data() + i * from;
    std::uint8_t* const at = out.data() + i * to;
    if (to == 1) {
      at[0] = colour ? luma(in) : in[0];
      continue;
    }
    for (std::size_t c = 0; c < 3; ++c) {
      at[c] = colour ? in[c] : in[0];
    }
    if (to == 4) {
      at[3] = alpha ? in[from - 1] : 255;
    }
  }
  return out;
}

// ---- PNG in -----------------------------------------------------------------------------------

struct png_input {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;
  std::size_t row_bytes = 0;
  png_structp png = nullptr;
  png_infop info = nullptr;

  ~png_input() { png_destroy_read_struct(&png, &info, nullptr); }
};

void png_pull(png_structp png, png_bytep into, std::size_t count) {
  auto& in = *static_cast<png_input*>(png_get_io_ptr(png));
  if (in.bytes.size() - in.at < count) {
    png_error(png, "cut off");
  }
  std::memcpy(into, in.bytes.data() + in.at, count);
  in.at += count;
}

[[noreturn]] void png_leave(png_structp png, png_const_charp) {
  png_longjmp(png, 1);
}
void png_ignore(png_structp, png_const_charp) {}

bool png_read_header(png_input& in) {
  if (setjmp(png_jmpbuf(in.png)) != 0) {
    return false;
  }
  png_set_read_fn(in.png, &in, png_pull);
  png_set_chunk_malloc_max(in.png, std::size_t{8} << 20);
  png_set_chunk_cache_max(in.png, 128);
  png_read_info(in.png, in.info);
  in.width = png_get_image_width(in.png, in.info);
  in.height = png_get_image_height(in.png, in.info);
  png_set_expand(in.png);
  png_set_scale_16(in.png);
  png_set_interlace_handling(in.png);
  png_read_update_info(in.png, in.info);
  in.channels = png_get_channels(in.png, in.info);
  in.row_bytes = png_get_rowbytes(in.png, in.info);
  return true;
}

bool png_read_pixels(png_input& in, png_bytepp rows) {
  if (setjmp(png_jmpbuf(in.png)) != 0) {
    return false;
  }
  png_read_image(in.png, rows);
  png_read_end(in.png, nullptr);
  return true;
}

result<picture> decode_png(std::span<const std::byte> bytes, std::uint32_t channels,
                           const size_check& check) {
  png_input in;
  in.bytes = bytes;
  in.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, png_leave, png_ignore);
  in.info = in.png != nullptr ? png_create_info_struct(in.png) : nullptr;
  if (in.info == nullptr) {
    return fail(errc::internal, "libpng cannot be used");
  }
  if (!png_read_header(in)) {
    return broken("the PNG is damaged or cut off");
  }
  if (auto sized = check_size(in.width, in.height, check); !sized) {
    return fail(std::move(sized.error()));
  }
  if (in.channels < 1 || in.channels > 4 || in.row_bytes != std::size_t{in.width} * in.channels) {
    return broken("the PNG has a pixel form that is not known");
  }
  std::vector<std::uint8_t> pixels(in.row_bytes * in.height);
  std::vector<png_bytep> rows(in.height);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    rows[y] = pixels.data() + y * in.row_bytes;
  }
  if (!png_read_pixels(in, rows.data())) {
    return broken("the PNG is damaged or cut off");
  }
  return picture{in.width, in.height, channels,
                 with_channels(std::move(pixels), in.channels, channels)};
}

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

/// libjpeg goes on after damage and paints grey; here damage (level -1) ends it.
void jpeg_message(j_common_ptr jpeg, int level) {
  if (level < 0) {
    jpeg_leave(jpeg);
  }
}

/// A progressive JPEG of a few kilobytes can ask for thousands of passes over all pixels.
void jpeg_count_scans(j_common_ptr jpeg) {
  constexpr int scans_max = 100;
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > scans_max) {
    jpeg_leave(jpeg);
  }
}

bool jpeg_read_head(jpeg_input& in, std::span<const std::byte> bytes) {
  if (setjmp(in.way_out) != 0) {
    return false;
  }
  jpeg_create_decompress(&in.jpeg);
  in.made = true;
  in.jpeg.progress = &in.progress;
  jpeg_mem_src(&in.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
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

result<picture> decode_jpeg(std::span<const std::byte> bytes, std::uint32_t channels,
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
  if (auto sized = check_size(in.jpeg.image_width, in.jpeg.image_height, check); !sized) {
    return fail(std::move(sized.error()));
  }
  const auto space = in.jpeg.jpeg_color_space;
  if (space != JCS_GRAYSCALE && space != JCS_YCbCr && space != JCS_RGB) {
    return broken("the JPEG is neither grey nor RGB");
  }
  const std::uint32_t decoded = space == JCS_GRAYSCALE || channels == 1 ? 1 : 3;
  in.jpeg.out_color_space = decoded == 1 ? JCS_GRAYSCALE : JCS_RGB;
  const std::uint32_t width = in.jpeg.image_width;
  const std::uint32_t height = in.jpeg.image_height;
  std::vector<std::uint8_t> pixels(std::size_t{width} * height * decoded);
  if (!jpeg_read_pixels(in, pixels.data())) {
    return broken("the JPEG is damaged or cut off");
  }
  return picture{width, height, channels, with_channels(std::move(pixels), decoded, channels)};
}

// ---- PNG out ----------------------------------------------------------------------------------

struct png_output {
  std::vector<std::byte> bytes;
  png_structp png = nullptr;
  png_infop info = nullptr;

  ~png_output() { png_destroy_write_struct(&png, &info); }
};

void png_push(png_structp png, png_bytep from, std::size_t count) {
  auto& out = *static_cast<png_output*>(png_get_io_ptr(png));
  bool stored = true;
  try {
    const auto* const first = reinterpret_cast<const std::byte*>(from);
    out.bytes.insert(out.bytes.end(), first, first + count);
  } catch (const std::bad_alloc&) {
    stored = false;
  }
  if (!stored) {
    png_error(png, "out of memory");
  }
}
void png_flush_nothing(png_structp) {}

bool png_write_all(png_output& out, const picture& from) {
  if (setjmp(png_jmpbuf(out.png)) != 0) {
    return false;
  }
  png_set_write_fn(out.png, &out, png_push, png_flush_nothing);
  // Above 3 zlib takes several times as long for a few percent, while a GPU waits for this thread.
  png_set_compression_level(out.png, 3);
  png_set_IHDR(out.png, out.info, from.width, from.height, 8,
               from.channels == 1   ? PNG_COLOR_TYPE_GRAY
               : from.channels == 3 ? PNG_COLOR_TYPE_RGB
                                    : PNG_COLOR_TYPE_RGB_ALPHA,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(out.png, out.info);
  for (std::size_t y = 0; y < from.height; ++y) {
    png_write_row(out.png, from.pixels.data() + y * from.width * from.channels);
  }
  png_write_end(out.png, nullptr);
  return true;
}

} // namespace

result<picture> decode_picture(std::span<const std::byte> bytes, std::uint32_t channels,
                               const size_check& check) {
  if (bytes.size() >= png_magic.size() &&
      std::memcmp(bytes.data(), png_magic.data(), png_magic.size()) == 0) {
    return decode_png(bytes, channels, check);
  }
  constexpr std::array<unsigned char, 3> jpeg_magic{0xff, 0xd8, 0xff};
  if (bytes.size() >= jpeg_magic.size() &&
      std::memcmp(bytes.data(), jpeg_magic.data(), jpeg_magic.size()) == 0) {
    return decode_jpeg(bytes, channels, check);
  }
  return broken("it is neither a PNG nor a JPEG picture");
}

result<std::vector<std::byte>> encode_png(const picture& from) {
  png_output out;
  out.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, png_leave, png_ignore);
  out.info = out.png != nullptr ? png_create_info_struct(out.png) : nullptr;
  if (out.info == nullptr || !png_write_all(out, from)) {
    return fail(errc::internal, "the picture could not be written as PNG");
  }
  return std::move(out.bytes);
}

} // namespace tayfa
