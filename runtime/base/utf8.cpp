#include "runtime/base/utf8.hpp"

#include <algorithm>

namespace tayfa::text {

namespace {

/// Of a sequence, by its first byte: how many bytes it has (0 = it begins none), the bits of its
/// value in the first one, and the smallest value that needs so many bytes.
struct sequence {
  std::size_t length = 0;
  std::uint32_t bits = 0;
  std::uint32_t smallest = 0;
};

sequence sequence_of(unsigned char lead) {
  if ((lead & 0xE0U) == 0xC0U) {
    return {2, lead & 0x1FU, 0x80};
  }
  if ((lead & 0xF0U) == 0xE0U) {
    return {3, lead & 0x0FU, 0x800};
  }
  if ((lead & 0xF8U) == 0xF0U) {
    return {4, lead & 0x07U, 0x10000};
  }
  return {};
}

} // namespace

code_point first_code_point(std::string_view s) {
  const auto lead = static_cast<unsigned char>(s.front());
  const code_point bad{lead, 1, false};
  if (lead < 0x80) {
    return {lead, 1, true};
  }
  const sequence all = sequence_of(lead);
  if (all.length == 0 || s.size() < all.length) {
    return bad;
  }
  std::uint32_t value = all.bits;
  for (const char c : s.substr(1, all.length - 1)) {
    if (!is_continuation(c)) {
      return bad;
    }
    value = (value << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < all.smallest || value > 0x10FFFF || surrogate) {
    return bad;
  }
  return {value, all.length, true};
}

bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    const code_point first = first_code_point(s);
    if (!first.valid) {
      return false;
    }
    s.remove_prefix(first.length);
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t most) {
  if (text.size() <= most) {
    return text;
  }
  // A sequence has at most three continuation bytes; more of them in a row are not UTF-8.
  std::size_t end = most;
  for (int i = 0; i < 3 && end > 0 && is_continuation(text[end]); ++i) {
    --end;
  }
  return text.substr(0, end);
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  const auto add_tail = [&](unsigned shift) { add(0x80U | ((code_point >> shift) & 0x3FU)); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xC0U | (code_point >> 6U));
    add_tail(0);
  } else if (code_point < 0x10000) {
    add(0xE0U | (code_point >> 12U));
    add_tail(6);
    add_tail(0);
  } else {
    add(0xF0U | (code_point >> 18U));
    add_tail(12);
    add_tail(6);
    add_tail(0);
  }
}

} // namespace tayfa::text
