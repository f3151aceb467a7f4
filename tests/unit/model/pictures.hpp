// Pictures of every kind for tests, written by libpng and libjpeg themselves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <jpeglib.h>
#include <png.h>
#include <span>
#include <string>
#include <vector>

namespace tayfa::pictures {

using bytes = std::vector<std::byte>;

struct png_kind {
  int colour = PNG_COLOR_TYPE_RGB;
  int depth = 8;
  bool interlaced = false;
  std::vector<png_color> palette{};
  std::vector<std::uint8_t> palette_alpha{};
};

/// `rows` holds packed rows of the given kind.
inline bytes png(std::uint32_t width, std::uint32_t height, const png_kind& kind,
                 const std::vector<std::uint8_t>& rows) {
  bytes out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep from, std::size_t count) {
        auto& to = *static_cast<bytes*>(png_get_io_ptr(p));
        const auto* const first = reinterpret_cast<const std::byte*>(from);
        to.insert(to.end(), first, first + count);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, width, height, kind.depth, kind.colour,
               kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty()) {
    png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  }
  if (!kind.palette_alpha.empty()) {
    png_set_tRNS(png, info, kind.palette_alpha.data(), static_cast<int>(kind.palette_alpha.size()),
                 nullptr);
  }
  png_write_info(png, info);
  const std::size_t stride = rows.size() / height;
  std::vector<png_bytep> pointers;
  for (std::size_t y = 0; y < height; ++y) {
    pointers.push_back(const_cast<png_bytep>(rows.data() + y * stride));
  }
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

/// `scans` as libjpeg's scan script; empty = baseline.
inline bytes jpeg(std::uint32_t width, std::uint32_t height, J_COLOR_SPACE space, int components,
                  const std::vector<std::uint8_t>& rows,
                  const std::vector<jpeg_scan_info>& scans = {}) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &memory, &size);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = components;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  if (!scans.empty()) {
    jpeg.scan_info = scans.data();
    jpeg.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&jpeg, TRUE);
  const std::size_t stride = std::size_t{width} * static_cast<std::size_t>(components);
  while (jpeg.next_scanline < height) {
    JSAMPROW row = const_cast<JSAMPROW>(rows.data() + stride * jpeg.next_scanline);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const auto* const first = reinterpret_cast<const std::byte*>(memory);
  bytes out(first, first + size);
  jpeg_destroy_compress(&jpeg);
  std::free(memory);
  return out;
}

/// A progressive JPEG's script of 1 + 3 * 63 passes, one for every coefficient of every component.
inline std::vector<jpeg_scan_info> endless_scans() {
  std::vector<jpeg_scan_info> scans;
  scans.push_back({3, {0, 1, 2}, 0, 0, 0, 0});
  for (int component = 0; component < 3; ++component) {
    for (int at = 1; at < 64; ++at) {
      scans.push_back({1, {component}, at, at, 0, 0});
    }
  }
  return scans;
}

/// The PNG with other sizes in its header, and the header's checksum made right again.
inline bytes claiming(bytes png, std::uint32_t width, std::uint32_t height) {
  const auto put = [&png](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
      png[at + i] = static_cast<std::byte>(value >> (24 - 8 * i) & 255);
    }
  };
  put(16, width);
  put(20, height);
  std::uint32_t crc = 0xffffffff;
  for (std::size_t at = 12; at < 29; ++at) {
    crc ^= std::to_integer<std::uint32_t>(png[at]);
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
    }
  }
  put(29, ~crc);
  return png;
}

/// Numbers that look like nothing in particular.
inline std::vector<std::uint8_t> noise(std::size_t count) {
  std::vector<std::uint8_t> out(count);
  std::uint32_t state = 12'345;
  for (auto& value : out) {
    state = state * 1'664'525 + 1'013'904'223;
    value = static_cast<std::uint8_t>(state >> 24);
  }
  return out;
}

/// Smooth colours, which JPEG keeps nearly as they are.
inline std::vector<std::uint8_t> gradient(std::uint32_t width, std::uint32_t height) {
  std::vector<std::uint8_t> out;
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      out.push_back(static_cast<std::uint8_t>(40 + 3 * x));
      out.push_back(static_cast<std::uint8_t>(200 - 4 * y));
      out.push_back(static_cast<std::uint8_t>(90 + x + y));
    }
  }
  return out;
}

} // namespace tayfa::pictures
