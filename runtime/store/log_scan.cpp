#include "runtime/store/log_scan.hpp"

#include <cstdint>

namespace tayfa::store {

namespace {

// https://www.sqlite.org/fileformat2.html, section 4.
constexpr std::size_t head_bytes = 32;
constexpr std::size_t frame_head_bytes = 24;
constexpr std::uint32_t magic = 0x377f0682; ///< its last bit: checksums read words big-endian
constexpr std::size_t page_min = 512;
constexpr std::size_t page_max = 65536;

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

struct checksum {
  std::uint32_t one = 0;
  std::uint32_t two = 0;
  bool operator==(const checksum&) const = default;
};

checksum add(checksum sum, std::string_view bytes, bool big) {
  const auto word = [&](std::size_t at) {
    const auto value = big_endian(bytes, at);
    return big ? value : __builtin_bswap32(value);
  };
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    sum.one += word(at) + sum.two;
    sum.two += word(at + 4) + sum.one;
  }
  return sum;
}

checksum stored(std::string_view bytes, std::size_t at) {
  return {big_endian(bytes, at), big_endian(bytes, at + 4)};
}

class scan {
 public:
  explicit scan(std::string_view log) : log_(log) {
    if (log.size() < head_bytes || (big_endian(log, 0) & ~1U) != magic) {
      return;
    }
    big_ = (big_endian(log, 0) & 1U) != 0;
    page_ = big_endian(log, 8);
    const bool fits = add({}, log.substr(0, 24), big_) == stored(log, 24);
    if (fits && page_ >= page_min && page_ <= page_max && (page_ & (page_ - 1)) == 0) {
      frames_ = (log.size() - head_bytes) / (frame_head_bytes + page_);
    }
  }

  std::size_t frames() const { return frames_; }
  bool is_commit(std::size_t frame) const { return big_endian(log_, at(frame) + 4) != 0; }
  /// True when the frame is of this log and its checksum follows from that of the frame before it
  /// (or of the head).
  bool fits(std::size_t frame) const {
    const auto begin = at(frame);
    if (big_endian(log_, begin) == 0 || log_.substr(begin + 8, 8) != log_.substr(16, 8)) {
      return false;
    }
    auto sum = frame == 1 ? stored(log_, 24) : stored(log_, at(frame - 1) + 16);
    sum = add(sum, log_.substr(begin, 8), big_);
    return add(sum, log_.substr(begin + frame_head_bytes, page_), big_) == stored(log_, begin + 16);
  }

 private:
  std::size_t at(std::size_t frame) const {
    return head_bytes + (frame - 1) * (frame_head_bytes + page_);
  }

  std::string_view log_;
  bool big_ = false;
  std::size_t page_ = 0;
  std::size_t frames_ = 0; ///< 0 also when the head is not one
};

} // namespace

std::optional<std::size_t> damaged_frame(std::string_view log) {
  const scan frames{log};
  std::size_t bad = 1;
  while (bad <= frames.frames() && frames.fits(bad)) {
    ++bad;
  }
  for (auto later = bad + 1; later < frames.frames(); ++later) {
    if (frames.is_commit(later) && frames.fits(later) && frames.fits(later + 1)) {
      return bad;
    }
  }
  return {};
}

} // namespace tayfa::store
