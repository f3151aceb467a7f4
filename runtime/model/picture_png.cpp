// PNG decoder and encoder. libpng exits by longjmp: each function that calls setjmp below holds no
// object with a destructor and changes no local after setjmp; state lives in structs of the caller.
#include "runtime/model/picture_parts.hpp"

#include <csetjmp>
#include <cstring>
#include <png.h>

namespace tayfa {

namespace {

using picture_parts::broken;
using picture_parts::bytes_view;

// ---- PNG in -----------------------------------------------------------------------------------

struct png_input {
  bytes_view bytes;
  std::size_t at = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;
  std::size_t row_bytes = 0;
  int orientation = 1;
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
  png_bytep exif = nullptr;
  png_uint_32 length = 0;
  if (png_get_eXIf_1(in.png, in.info, &length, &exif) != 0) {
    in.orientation =
        picture_parts::orientation_of_exif({reinterpret_cast<const std::byte*>(exif), length});
  }
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

} // namespace

result<picture_parts::stored> picture_parts::decode_png(bytes_view bytes, const size_check& check) {
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
  if (auto sized = check_size(in.width, in.height, in.orientation, check); !sized) {
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
  return stored{{in.width, in.height, in.channels, std::move(pixels)}, in.orientation};
}

namespace {

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
  // Above level 3 zlib takes several times as long for a few percent, while a GPU waits for this
  // thread.
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
