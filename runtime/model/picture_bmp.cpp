// BMP decoder for files of Windows programs, scanners and screenshots (1, 4, 8, 16, 24 and 32 bits,
// masks, either direction). Run-length coding is refused by name.
#include "runtime/model/picture_parts.hpp"

#include <array>
#include <bit>

namespace tayfa::picture_parts {

namespace {

struct reader {
  bytes_view bytes;
  bool has(std::size_t at, std::size_t count) const {
    return at <= bytes.size() && count <= bytes.size() - at;
  }
  std::uint32_t little(std::size_t at, std::size_t count) const {
    std::uint32_t value = 0;
    for (std::size_t i = count; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
    }
    return value;
  }
};

struct header {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool top_down = false;
  std::uint32_t bits = 0;
  std::size_t pixels_at = 0;
  std::size_t palette_at = 0;
  std::size_t palette_entry = 4;
  std::size_t palette_size = 0;
  std::array<std::uint32_t, 4> masks{}; ///< red, green, blue, alpha
};

constexpr std::size_t file_header = 14;

result<header> read_header(const reader& in) {
  if (!in.has(0, file_header + 12)) {
    return broken("the BMP is cut off");
  }
  header out;
  out.pixels_at = in.little(10, 4);
  const std::size_t size = in.little(file_header, 4);
  if (size == 12) { // OS/2
    out.width = in.little(18, 2);
    out.height = in.little(20, 2);
    out.bits = in.little(24, 2);
    out.palette_entry = 3;
    out.palette_at = file_header + 12;
    out.palette_size = out.bits <= 8 ? std::size_t{1} << out.bits : 0;
    return out;
  }
  if (size < 40 || !in.has(file_header, size)) {
    return broken("the BMP is damaged or cut off");
  }
  out.width = in.little(18, 4);
  const auto height = static_cast<std::int32_t>(in.little(22, 4));
  out.top_down = height < 0;
  out.height =
      out.top_down ? 0u - static_cast<std::uint32_t>(height) : static_cast<std::uint32_t>(height);
  out.bits = in.little(28, 2);
  const auto coding = in.little(30, 4);
  if (coding != 0 && coding != 3 && coding != 6) {
    return broken("the BMP is compressed, which is not read");
  }
  out.palette_at = file_header + size;
  const std::size_t colours = in.little(46, 4);
  out.palette_size = out.bits > 8 ? 0 : colours != 0 ? colours : std::size_t{1} << out.bits;
  if (out.bits == 16) {
    out.masks = {0x7c00, 0x03e0, 0x001f, 0};
  } else if (out.bits == 32) {
    out.masks = {0xff0000, 0x00ff00, 0x0000ff, 0};
  }
  if (coding != 0) {
    const std::size_t count = size >= 56 || coding == 6 ? 4 : 3;
    if (!in.has(54, count * 4)) {
      return broken("the BMP is cut off");
    }
    for (std::size_t i = 0; i < count; ++i) {
      out.masks[i] = in.little(54 + 4 * i, 4);
    }
  }
  return out;
}

/// The part of a pixel under a mask, scaled to 8 bits.
std::uint8_t under(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) {
    return 0;
  }
  const auto shift = std::countr_zero(mask);
  const std::uint64_t most = mask >> shift;
  const std::uint64_t value = (pixel & mask) >> shift;
  return static_cast<std::uint8_t>((value * 255 + most / 2) / most);
}

} // namespace

result<stored> decode_bmp(bytes_view bytes, const size_check& check) {
  const reader in{bytes};
  const auto head = read_header(in);
  if (!head) {
    return fail(head.error());
  }
  const auto& h = *head;
  if (h.bits != 1 && h.bits != 4 && h.bits != 8 && h.bits != 16 && h.bits != 24 && h.bits != 32) {
    return broken("the BMP has a pixel form that is not known");
  }
  if (auto sized = check_size(h.width, h.height, 1, check); !sized) {
    return fail(std::move(sized.error()));
  }
  const std::size_t row_bytes = (std::size_t{h.width} * h.bits + 31) / 32 * 4;
  if (h.palette_size > 256 || !in.has(h.palette_at, h.palette_size * h.palette_entry) ||
      !in.has(h.pixels_at, row_bytes * h.height)) {
    return broken("the BMP is damaged or cut off");
  }
  const std::uint32_t channels = h.masks[3] != 0 ? 4 : 3;
  stored out{{h.width, h.height, channels, {}}, 1};
  out.pixels.pixels.resize(std::size_t{h.width} * h.height * channels);
  auto* to = out.pixels.pixels.data();
  for (std::size_t y = 0; y < h.height; ++y) {
    const auto row = h.pixels_at + row_bytes * (h.top_down ? y : h.height - 1 - y);
    for (std::size_t x = 0; x < h.width; ++x, to += channels) {
      if (h.bits == 24) {
        for (std::size_t c = 0; c < 3; ++c) {
          to[c] = std::to_integer<std::uint8_t>(bytes[row + 3 * x + 2 - c]);
        }
      } else if (h.bits > 8) {
        const auto pixel = in.little(row + x * (h.bits / 8), h.bits / 8);
        for (std::size_t c = 0; c < channels; ++c) {
          to[c] = under(pixel, h.masks[c]);
        }
      } else {
        const auto each = 8 / h.bits;
        const auto shift = 8 - h.bits * (1 + x % each);
        const std::size_t index =
            std::to_integer<std::size_t>(bytes[row + x / each]) >> shift & ((1u << h.bits) - 1);
        if (index >= h.palette_size) {
          return broken("the BMP is damaged");
        }
        for (std::size_t c = 0; c < 3; ++c) {
          to[c] =
              std::to_integer<std::uint8_t>(bytes[h.palette_at + index * h.palette_entry + 2 - c]);
        }
      }
    }
  }
  return out;
}

} // namespace tayfa::picture_parts
