// GIF decoder: the first picture, as a viewer shows it before the animation starts.
#include "runtime/model/picture_parts.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tayfa::picture_parts {

namespace {

constexpr std::size_t codes_max = 4096;

/// Sequential reader; past the end it sets failed() and returns zeros.
class source {
 public:
  explicit source(bytes_view bytes) : bytes_(bytes) {}
  bool failed() const { return failed_; }
  std::uint32_t byte() {
    if (at_ >= bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return std::to_integer<std::uint32_t>(bytes_[at_++]);
  }
  std::uint32_t little16() {
    const auto low = byte();
    return low | byte() << 8;
  }
  void skip(std::size_t count) {
    failed_ = failed_ || count > bytes_.size() - at_;
    at_ = failed_ ? bytes_.size() : at_ + count;
  }

 private:
  bytes_view bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

using palette = std::vector<std::array<std::uint8_t, 3>>;

palette read_palette(source& in, std::uint32_t flags) {
  palette out(std::size_t{2} << (flags & 7));
  for (auto& colour : out) {
    for (auto& value : colour) {
      value = static_cast<std::uint8_t>(in.byte());
    }
  }
  return out;
}

/// Reads codes from a picture's data blocks.
class code_reader {
 public:
  explicit code_reader(source& in) : in_(in) {}
  std::optional<std::size_t> next(int bits) {
    while (have_ < bits) {
      if (left_ == 0) {
        left_ = in_.byte();
        if (left_ == 0 || in_.failed()) {
          return std::nullopt;
        }
      }
      --left_;
      held_ |= in_.byte() << have_;
      have_ += 8;
    }
    const std::size_t code = held_ & ((1u << bits) - 1);
    held_ >>= bits;
    have_ -= bits;
    return in_.failed() ? std::nullopt : std::optional{code};
  }

 private:
  source& in_;
  std::uint32_t held_ = 0;
  int have_ = 0;
  std::uint32_t left_ = 0;
};

/// LZW: `count` colour indices; empty when the data is damaged or too short.
std::optional<std::vector<std::uint8_t>> unpack(source& in, std::size_t count) {
  const auto first_bits = static_cast<int>(in.byte());
  if (first_bits < 1 || first_bits > 8) {
    return std::nullopt;
  }
  const std::size_t clear = std::size_t{1} << first_bits;
  struct entry {
    std::uint16_t before = 0;
    std::uint8_t last = 0;
    std::uint8_t first = 0;
    std::uint16_t length = 0;
  };
  std::vector<entry> table(codes_max);
  for (std::size_t i = 0; i < clear; ++i) {
    const auto value = static_cast<std::uint8_t>(i);
    table[i] = {0, value, value, 1};
  }
  std::vector<std::uint8_t> out;
  out.reserve(count);
  code_reader codes{in};
  std::size_t size = clear + 2;
  int bits = first_bits + 1;
  constexpr std::size_t none = codes_max; // not an optional: g++ 12 would warn that it is
                                          // uninitialized
  std::size_t before = none;
  while (out.size() < count) {
    const auto code = codes.next(bits);
    if (!code || *code == clear + 1) {
      return std::nullopt;
    }
    if (*code == clear) {
      size = clear + 2;
      bits = first_bits + 1;
      before = none;
      continue;
    }
    if (*code > size || (*code == size && before == none) || (before == none && *code >= clear)) {
      return std::nullopt;
    }
    if (before != none && size < codes_max) {
      const auto& known = table[*code == size ? before : *code];
      table[size] = {static_cast<std::uint16_t>(before), known.first, table[before].first,
                     static_cast<std::uint16_t>(table[before].length + 1)};
      ++size;
    } else if (*code == size) {
      return std::nullopt;
    }
    if (size == (std::size_t{1} << bits) && bits < 12) {
      ++bits;
    }
    const auto from = out.size();
    out.resize(from + table[*code].length);
    for (std::size_t at = *code, i = table[*code].length; i-- > 0; at = table[at].before) {
      out[from + i] = table[at].last;
    }
    before = *code;
  }
  out.resize(count);
  return out;
}

struct frame {
  std::uint32_t left = 0;
  std::uint32_t top = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool interlaced = false;
  palette colours{};
  std::optional<std::uint32_t> clear_index{};
};

/// Reads up to the first picture's data.
std::optional<frame> find_frame(source& in, const palette& global) {
  frame out;
  for (;;) {
    const auto kind = in.byte();
    if (in.failed()) {
      return std::nullopt;
    }
    if (kind == 0x2c) {
      out.left = in.little16();
      out.top = in.little16();
      out.width = in.little16();
      out.height = in.little16();
      const auto flags = in.byte();
      out.interlaced = (flags & 0x40) != 0;
      out.colours = (flags & 0x80) != 0 ? read_palette(in, flags) : global;
      return in.failed() || out.colours.empty() ? std::nullopt : std::optional{std::move(out)};
    }
    if (kind != 0x21) {
      return std::nullopt;
    }
    const bool control = in.byte() == 0xf9;
    for (auto length = in.byte(); length != 0 && !in.failed(); length = in.byte()) {
      if (control && length == 4) {
        const auto flags = in.byte();
        in.skip(2);
        const auto index = in.byte();
        out.clear_index = (flags & 1) != 0 ? std::optional{index} : std::nullopt;
      } else {
        in.skip(length);
      }
    }
  }
}

std::uint32_t interlaced_row(std::uint32_t index, std::uint32_t height) {
  constexpr std::array<std::array<std::uint32_t, 2>, 4> passes{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  for (const auto& [start, step] : passes) {
    const auto rows = height > start ? (height - start + step - 1) / step : 0;
    if (index < rows) {
      return start + index * step;
    }
    index -= rows;
  }
  return 0;
}

} // namespace

result<stored> decode_gif(bytes_view bytes, const size_check& check) {
  source in{bytes};
  in.skip(6);
  const auto width = in.little16();
  const auto height = in.little16();
  const auto flags = in.byte();
  in.skip(2);
  const auto global = (flags & 0x80) != 0 ? read_palette(in, flags) : palette{};
  if (in.failed()) {
    return broken("the GIF is damaged or cut off");
  }
  if (auto sized = check_size(width, height, 1, check); !sized) {
    return fail(std::move(sized.error()));
  }
  const auto first = find_frame(in, global);
  if (!first || std::uint64_t{first->width} * first->height > picture_pixels_max) {
    return broken("the GIF is damaged or cut off");
  }
  const auto indices = unpack(in, std::size_t{first->width} * first->height);
  if (!indices) {
    return broken("the GIF is damaged or cut off");
  }
  // Pixels not covered by the first picture are transparent.
  stored out{{width, height, 4, std::vector<std::uint8_t>(std::size_t{width} * height * 4)}, 1};
  for (std::uint32_t row = 0; row < first->height; ++row) {
    const auto y = first->top + (first->interlaced ? interlaced_row(row, first->height) : row);
    for (std::uint32_t column = 0; column < first->width; ++column) {
      const auto x = first->left + column;
      const std::size_t index = (*indices)[std::size_t{row} * first->width + column];
      if (x >= width || y >= height || index == first->clear_index) {
        continue;
      }
      if (index >= first->colours.size()) {
        return broken("the GIF is damaged");
      }
      auto* const to = out.pixels.pixels.data() + (std::size_t{y} * width + x) * 4;
      std::copy(first->colours[index].begin(), first->colours[index].end(), to);
      to[3] = 255;
    }
  }
  return out;
}

} // namespace tayfa::picture_parts
