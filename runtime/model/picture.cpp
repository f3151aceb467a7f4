#include "runtime/model/picture.hpp"

#include "runtime/model/picture_parts.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace tayfa {

namespace picture_parts {

tl::unexpected<error> broken(std::string text) {
  return fail(errc::bad_input, std::move(text));
}

result<void> check_size(std::uint32_t width, std::uint32_t height, int orientation,
                        const size_check& check) {
  if (width == 0 || height == 0) {
    return broken("the picture has no pixels");
  }
  if (std::uint64_t{width} * height > picture_pixels_max) {
    return broken("the picture has more than 67108864 pixels");
  }
  return orientation > 4 ? check(height, width) : check(width, height);
}

int orientation_of_exif(bytes_view exif) {
  const auto byte = [exif](std::size_t at) { return std::to_integer<std::uint32_t>(exif[at]); };
  if (exif.size() < 8) {
    return 1;
  }
  const bool little = byte(0) == 'I';
  if (byte(0) != byte(1) || (!little && byte(0) != 'M')) {
    return 1;
  }
  const auto number = [&](std::size_t at, std::size_t bytes) -> std::uint32_t {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value = value << 8 | byte(at + (little ? bytes - 1 - i : i));
    }
    return value;
  };
  const std::size_t start = number(4, 4);
  if (number(2, 2) != 42 || start > exif.size() - 2) {
    return 1;
  }
  constexpr std::size_t entry_bytes = 12;
  constexpr std::uint32_t orientation_tag = 0x112;
  constexpr std::uint32_t short_type = 3;
  const std::size_t entries = number(start, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const auto at = start + 2 + i * entry_bytes;
    if (at + entry_bytes > exif.size()) {
      return 1;
    }
    if (number(at, 2) == orientation_tag && number(at + 2, 2) == short_type) {
      const auto value = number(at + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 1;
}

} // namespace picture_parts

namespace {

using picture_parts::stored;

/// BT.601 luma in 16-bit fixed point, rounded to nearest; the weights add up to 65536.
std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >>
                                   16);
}

/// Blends a pixel that is not opaque over white, as a viewer does.
std::uint8_t before_white(std::uint8_t value, std::uint8_t alpha) {
  return static_cast<std::uint8_t>((unsigned{value} * alpha + 255u * (255u - alpha) + 127u) / 255u);
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
    std::array<std::uint8_t, 3> rgb{in[0], in[colour ? 1 : 0], in[colour ? 2 : 0]};
    if (to == 4) {
      std::copy(rgb.begin(), rgb.end(), at);
      at[3] = alpha ? in[from - 1] : 255;
      continue;
    }
    if (alpha) {
      for (auto& value : rgb) {
        value = before_white(value, in[from - 1]);
      }
    }
    if (to == 1) {
      at[0] = colour ? luma(rgb.data()) : rgb[0];
    } else {
      std::copy(rgb.begin(), rgb.end(), at);
    }
  }
  return out;
}

/// Applies EXIF's orientation: 2 mirrored, 3 upside down, 4 both, 5 to 8 the same lying on a side.
picture upright(picture from, int orientation) {
  if (orientation <= 1) {
    return from;
  }
  const bool lying = orientation > 4;
  picture to{lying ? from.height : from.width, lying ? from.width : from.height, from.channels, {}};
  to.pixels.resize(from.pixels.size());
  const std::size_t width = from.width;
  const std::size_t height = from.height;
  for (std::size_t y = 0; y < to.height; ++y) {
    for (std::size_t x = 0; x < to.width; ++x) {
      std::size_t column = lying ? y : x;
      std::size_t row = lying ? x : y;
      const bool from_right =
          orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
      const bool from_below =
          orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
      column = from_right ? width - 1 - column : column;
      row = from_below ? height - 1 - row : row;
      std::memcpy(to.pixels.data() + (y * to.width + x) * to.channels,
                  from.pixels.data() + (row * width + column) * from.channels, to.channels);
    }
  }
  return to;
}

struct format {
  std::size_t at; ///< offset of the mark
  std::string_view mark;
  std::string_view name;
};

/// Formats that are recognized only to name them in the refusal.
constexpr std::array<format, 16> others{{
    {4, "ftypheic", "a HEIC picture (a phone's)"},
    {4, "ftypheix", "a HEIC picture (a phone's)"},
    {4, "ftyphevc", "a HEIC picture (a phone's)"},
    {4, "ftypmif1", "a HEIF picture"},
    {4, "ftypmsf1", "a HEIF picture"},
    {4, "ftypavif", "an AVIF picture"},
    {4, "ftypavis", "an AVIF picture"},
    {0, {"II*\0", 4}, "a TIFF picture (or a camera's raw one)"},
    {0, {"MM\0*", 4}, "a TIFF picture (or a camera's raw one)"},
    {0, "%PDF", "a PDF document"},
    {0, "<svg", "an SVG drawing"},
    {0, "<?xml", "an XML document (an SVG drawing?)"},
    {0, "<!DOCTYPE", "an HTML page"},
    {0, "8BPS", "a Photoshop picture"},
    {0, {"\0\0\1\0", 4}, "an icon"},
    {0, {"\xff\x0a", 2}, "a JPEG XL picture"},
}};

bool has(std::string_view text, std::size_t at, std::string_view mark) {
  return text.size() >= at && text.substr(at).starts_with(mark);
}

result<stored> decode_stored(std::span<const std::byte> bytes, std::uint32_t channels,
                             const size_check& check) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  if (has(text, 0, "\x89PNG\r\n\x1a\n")) {
    return picture_parts::decode_png(bytes, check);
  }
  if (has(text, 0, "\xff\xd8\xff")) {
    return picture_parts::decode_jpeg(bytes, channels == 1, check);
  }
  if (has(text, 0, "GIF87a") || has(text, 0, "GIF89a")) {
    return picture_parts::decode_gif(bytes, check);
  }
  if (has(text, 0, "BM")) {
    return picture_parts::decode_bmp(bytes, check);
  }
  if (has(text, 0, "RIFF") && has(text, 8, "WEBP")) {
    return picture_parts::decode_webp(bytes, check);
  }
  for (const auto& other : others) {
    if (has(text, other.at, other.mark)) {
      return picture_parts::broken("it is " + std::string{other.name} +
                                   ", which is not read: send PNG, JPEG, WebP, GIF or BMP");
    }
  }
  return picture_parts::broken("it is neither a PNG nor a JPEG, WebP, GIF or BMP picture");
}

} // namespace

result<picture> decode_picture(std::span<const std::byte> bytes, std::uint32_t channels,
                               const size_check& check) {
  auto got = decode_stored(bytes, channels, check);
  if (!got) {
    return fail(std::move(got.error()));
  }
  auto pixels = std::move(got->pixels);
  pixels.pixels = with_channels(std::move(pixels.pixels), pixels.channels, channels);
  pixels.channels = channels;
  return upright(std::move(pixels), got->orientation);
}

} // namespace tayfa
